"""Compares the engines for CPUs on real queries."""
