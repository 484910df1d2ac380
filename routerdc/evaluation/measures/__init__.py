"""The figures of an evaluation: quality, cost, calibration, robustness, and their intervals."""
