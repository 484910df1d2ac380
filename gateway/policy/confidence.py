"""From a score to a probability: Platt scaling with the bundle's calibration."""

import math


def confidence(score: float, slope: float, intercept: float) -> float:
    """P(the LLM answers well) = sigmoid(slope * score + intercept)."""
    return 0.5 * (1.0 + math.tanh((slope * score + intercept) / 2.0))  # the sigmoid, without overflow
