"""Containerfiles of what runs in a cluster, and what building them needs."""
