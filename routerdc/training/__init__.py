"""Training: recipe + data → bundle."""
