"""The figures of an evaluation: quality, cost, calibration, and their intervals."""
