"""Tools for the developers of this project; nothing of the product imports them."""
