"""Locust users: callers of the router by each of its entrances, and of Triton without the router."""
