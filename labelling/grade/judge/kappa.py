"""Cohen's kappa of a grader with people: how far they agree beyond chance.

Scores are put into five steps (0, ¼, ½, ¾, 1) and disagreements weighted by the square of their distance; where
people gave only 0 and 1, the grader's scores are cut at ½, and it is the kappa of two classes. Cohen (1968),
Psychological Bulletin 70, 213-220; intervals by the bootstrap over rows.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEVELS = 5
RESAMPLES = 2000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kappa:
    """Kappa with its 95 % interval; NaN where everybody always says the same."""

    value: float
    low: float
    high: float
    rows: int

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f}, {self.rows} rows)"


def kappa(people: Floats, grader: Floats, seed: int = 0) -> Kappa:
    """Agreement of scores in [0, 1], both (n,)."""
    if set(np.unique(people)) <= {0.0, 1.0}:
        grader = (grader >= 0.5).astype(np.float64)
    first, second = _levels(people), _levels(grader)
    draws = np.random.default_rng(seed).integers(0, len(first), size=(RESAMPLES, len(first)))
    samples = np.array([_kappa(first[rows], second[rows]) for rows in draws])
    known = samples[~np.isnan(samples)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
    return Kappa(_kappa(first, second), float(low), float(high), len(first))


def _levels(scores: Floats) -> npt.NDArray[np.int64]:
    return np.asarray(np.rint(scores * (LEVELS - 1)), dtype=np.int64)


_DISTANCE = (np.arange(LEVELS)[:, None] - np.arange(LEVELS)[None, :]) ** 2.0


def _kappa(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> float:
    observed = np.bincount(first * LEVELS + second, minlength=LEVELS**2).reshape(LEVELS, LEVELS)
    by_chance = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / len(first)
    expected = float((_DISTANCE * by_chance).sum())
    return float("nan") if expected == 0 else 1 - float((_DISTANCE * observed).sum()) / expected
