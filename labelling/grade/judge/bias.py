"""What a grader favours, judged by what people said about the same answers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bias:
    """A figure with its 95 % interval; an interval without 0 is a bias."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        verdict = "" if self.low <= 0 <= self.high or np.isnan(self.value) else "  <- a bias"
        return f"{self.value:+.2f} ({self.low:+.2f} to {self.high:+.2f}){verdict}"


def length_bias(people: Floats, grader: Floats, lengths: Floats, seed: int = 0) -> Bias:
    """Rank correlation of an answer's length with how much better the grader finds it than people do; all (n,)."""
    excess = grader - people
    draws = _draws(len(people), seed)
    return _bias(_spearman(excess, lengths), np.array([_spearman(excess[rows], lengths[rows]) for rows in draws]))


def self_preference(people: Floats, grader: Floats, own: npt.NDArray[np.bool_], seed: int = 0) -> Bias | None:
    """How much more the grader adds to its own LLM's answers (`own`, (n,)) than to others'; None without both."""
    if own.all() or not own.any():
        return None
    excess = grader - people
    samples = [excess[rows][own[rows]].mean() - excess[rows][~own[rows]].mean()
               for rows in _draws(len(people), seed) if 0 < own[rows].sum() < len(rows)]  # fmt: skip
    return _bias(float(excess[own].mean() - excess[~own].mean()), np.array(samples))


def _draws(rows: int, seed: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, rows, size=(RESAMPLES, rows))


def _bias(value: float, samples: Floats) -> Bias:
    known = samples[~np.isnan(samples)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)
    return Bias(value, float(low), float(high))


def _spearman(first: Floats, second: Floats) -> float:
    a, b = _ranks(first), _ranks(second)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float("nan") if scale == 0 else float(a @ b) / scale


def _ranks(values: Floats) -> Floats:
    """Ranks, (n,); equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[inverse], dtype=np.float64)
