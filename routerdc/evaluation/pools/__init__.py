"""The recipe on every public pool, several seeds, beside the frame: one command, one page."""
