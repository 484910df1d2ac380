"""What runs the encoder: the seam `engine`, one module an engine behind it, and the choice among them."""
