"""What the load consists of: queries, and the messages that carry them."""
