"""Overload: every rule by which a request is refused before work is done for it."""
