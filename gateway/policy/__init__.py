"""Policy: who may answer, in which order, and who is chosen. Pure functions on names and numbers, one rule a module."""
