"""From scores to choices, and from choices to quality: the lines by which every contender is judged.

The largest score wins. Two rules keep comparisons fair: an LLM whose score on a query is missing cannot be chosen
there, and ties are broken by chance, so that their *expected* quality counts (equal scores for all: the random router).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from routerdc.data.dataset import Dataset

Floats = npt.NDArray[np.float32]
Scorer = Callable[[Sequence[str]], Floats]
"""queries → (n, n_llms) float32, the larger the better"""
Contender = Callable[[Dataset], Floats]
"""data set → (n, n_llms) float32; references look at more than the queries, and -inf excludes an LLM"""

COLLAPSE_SHARE = 0.95
"""A router that gives at least this share of the queries to one LLM has collapsed."""


def selection(scores: npt.ArrayLike, known: npt.ArrayLike) -> Floats:
    """Probability of choosing each LLM, (n, n_llms): 1 for the largest score, shared equally by ties.

    Args:
        scores: (n, n_llms); -inf excludes an LLM, NaN is an error.
        known: (n, n_llms) bool; where False the LLM cannot be chosen.

    Returns:
        rows sum to 1, or to 0 where nothing can be chosen.

    Raises:
        ValueError: shapes differ, or a score is NaN.
    """
    scores, known = np.asarray(scores), np.asarray(known, dtype=bool)
    if scores.shape != known.shape:
        raise ValueError(f"scores: shape {scores.shape}, but {known.shape} were expected")
    if np.isnan(scores).any():
        raise ValueError(f"scores: {int(np.isnan(scores).any(axis=1).sum())} queries got NaN")
    allowed = np.where(known, scores, -np.inf)
    best = (allowed == allowed.max(axis=1, keepdims=True)) & np.isfinite(allowed)
    return np.asarray(best / np.maximum(best.sum(axis=1, keepdims=True), 1), dtype=np.float32)


def earned(chosen: Floats, values: Floats) -> npt.NDArray[np.float64]:
    """What the choices bring, (n,): `values` (n, n_llms; quality or dollars) of the chosen; NaN without a choice."""
    total = np.where(chosen > 0, chosen * values.astype(np.float64), 0.0).sum(axis=1)
    return np.where(chosen.sum(axis=1) > 0, total, np.nan)


def nan_mean(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Mean over the first axis of the values that are not NaN; NaN (without a warning) where there are none."""
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0.0).sum(axis=0, dtype=np.float64), known.sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def collapsed_to(shares: Sequence[float], llms: Sequence[str]) -> str | None:
    """The LLM that a collapsed router always chooses (`COLLAPSE_SHARE`); None for a router that routes."""
    top = int(np.argmax(shares))
    return llms[top] if len(llms) > 1 and shares[top] >= COLLAPSE_SHARE else None
