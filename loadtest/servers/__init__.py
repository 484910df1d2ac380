"""Starts what is measured as processes of its own, and stops them."""
