"""Losses: pure functions on scores and embeddings, one a file."""
