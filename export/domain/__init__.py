"""What every step speaks of: targets, precisions and errors."""
