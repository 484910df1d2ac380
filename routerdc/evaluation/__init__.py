"""Judges routers, ours and others, by the same lines: scores of queries in, quality, cost and calibration out."""
