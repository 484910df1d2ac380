"""Calibration: when the router says 70 %, is the LLM right 7 times in 10?

Expected calibration error (Naeini et al. 2015; Guo et al. 2017) over equal-width bins. Labels may be
fractions (pass rates).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from routerdc.evaluation.measures.selection import Floats
from routerdc_contract.bundle import LlmSpec

BINS = 15
MEAN_DISTANCE = (2 / np.pi) ** 0.5
"""How far from its mean a normal variable is on average, in standard deviations."""


@dataclass(frozen=True)
class Reliability:
    """Non-empty bins of predicted probability: mean prediction, mean outcome, share of all predictions; and the ECE.

    `floor`: the ECE to expect on as many rows of predictions that are true. Few rows show an error where there is none.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    weight: tuple[float, ...]
    ece: float
    floor: float


def probabilities(scores: Floats, llms: Sequence[LlmSpec]) -> npt.NDArray[np.float64] | None:
    """P(LLM answers right), (n, n_llms): sigmoid(slope · score + intercept); None unless every LLM is calibrated."""
    fits = [llm.calibration for llm in llms]
    slope = [fit.slope for fit in fits if fit is not None]
    intercept = [fit.intercept for fit in fits if fit is not None]
    if len(slope) < len(llms):
        return None
    logit = scores.astype(np.float64) * np.array(slope) + np.array(intercept)
    return np.asarray(0.5 * (1 + np.tanh(logit / 2)))  # the sigmoid without overflow


def reliability(predicted: npt.NDArray[Any], outcome: npt.NDArray[Any], bins: int = BINS) -> Reliability:
    """Reliability of predictions in [0, 1] (any shape) against outcomes in [0, 1] (same shape, NaN: unknown)."""
    known = ~np.isnan(outcome)
    predicted, outcome = predicted[known], outcome[known]
    where = np.minimum((predicted * bins).astype(int), bins - 1)
    count = np.bincount(where, minlength=bins)
    used = count > 0
    mean_predicted = np.bincount(where, predicted, bins)[used] / count[used]
    mean_outcome = np.bincount(where, outcome, bins)[used] / count[used]
    weight = count[used] / max(count.sum(), 1)
    ece = float(np.sum(weight * np.abs(mean_predicted - mean_outcome)))
    deviation = np.bincount(where, predicted * (1 - predicted), bins)[used] ** 0.5 / count[used]
    floor = float(np.sum(weight * MEAN_DISTANCE * deviation))
    return Reliability(tuple(mean_predicted), tuple(mean_outcome), tuple(weight), ece, floor)
