"""How good scores are: as choices, and as probabilities."""
