"""Containerfiles of what runs in a cluster, and a check that follows their steps without a container engine."""
