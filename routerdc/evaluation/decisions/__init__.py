"""What the gateway's logged decisions were worth."""
