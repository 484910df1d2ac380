"""Triton's configuration files, and what they say for each target."""
