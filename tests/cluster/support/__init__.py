"""What the checks stand on: kubectl, what is applied, load, and the page."""
