"""Figures of labelling, each by a command: `python -m labelling.benchmark.sparse`, `.regained` and `.throughput`."""
