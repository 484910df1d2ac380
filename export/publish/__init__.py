"""Puts a new version into a running Triton, checks it, and takes it back if it is wrong."""
