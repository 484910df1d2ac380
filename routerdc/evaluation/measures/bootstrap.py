"""Paired bootstrap: how sure a difference between two contenders is.

Every resample draws the rows of each data set with replacement, the same rows for all contenders, and averages per data
set; group averages weigh each data set the same. Intervals are percentiles (Efron and Tibshirani 1993, chapter 13).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
CONFIDENCE = 0.95
_CHUNK = 250
Table = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A percentile interval, in the unit of what was resampled."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether a difference with this interval is significant."""
        return self.low > 0 or self.high < 0


def resampled_means(quality: Table, resamples: int = RESAMPLES, seed: int = 0) -> Table:
    """Means of every column in every resample of the rows.

    Args:
        quality: (n, contenders); NaN where a contender has no value.

    Returns:
        (resamples, contenders); NaN where a resample caught no value at all.
    """
    known = ~np.isnan(quality)
    values = np.where(known, quality, 0.0)
    parts = []
    for counts in _counts(len(quality), resamples, seed):
        total, weight = counts @ values, counts @ known.astype(np.float64)
        parts.append(np.where(weight > 0, total / np.maximum(weight, 1), np.nan))
    return np.concatenate(parts)


def _counts(rows: int, resamples: int, seed: int) -> Iterator[Table]:
    """How often each row is drawn, (≤ _CHUNK, rows) at a time to bound memory."""
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        yield generator.multinomial(rows, np.full(rows, 1 / rows), size=size).astype(np.float64)


def group_means(tables: Sequence[Table]) -> Table:
    """Averages over data sets, each weighing the same, of their `resampled_means`: (resamples, contenders)."""
    return np.asarray(np.mean(np.stack(tables), axis=0))


def interval(samples: npt.NDArray[np.float64], confidence: float = CONFIDENCE) -> Interval:
    """The percentile interval of resampled values (resamples,)."""
    tail = 100 * (1 - confidence) / 2
    known = samples[~np.isnan(samples)]
    if not len(known):
        return Interval(math.nan, math.nan)
    low, high = np.percentile(known, [tail, 100 - tail])
    return Interval(float(low), float(high))
