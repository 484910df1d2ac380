"""Faults on purpose: each test breaks something under steady load and counts how often an invariant did not hold."""
