"""Encoders that cost a fraction of the teacher's: distilled from its features on texts that nobody has graded."""
