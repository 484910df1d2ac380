"""Follows the steps of a Containerfile where there is no container engine."""
