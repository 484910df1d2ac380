"""Quality with its noise taken out: what a router should believe of a query, rather than what one draw showed.

One answer per query says little: on multiple choice every LLM of a pool of similar ones is right on about half of the
queries, by chance on many. A router that learns these labels as they stand learns the noise (a probe on them lost 2
points to the plain average per domain). So, in the spirit of empirical Bayes, each domain's rows are shrunk to the
domain's mean, and only that part of the rest is kept which a ridge regression on the features predicts:

    target_i = mean_d + ridge_{d, λ_d}(features_i)

λ_d is chosen by repeated cross-validation inside the training rows, by `Judge`. A residual is believed only if it beats
the mean by `MARGIN` standard errors: one that is not there costs more on other queries than one that is there brings
(docs/log/training.md).
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

STRENGTHS = (10.0, 30.0, 100.0, 300.0, float("inf"))
MARGIN = 2.0
FOLDS, REPEATS = 5, 4
FEATURE_NORM = 10.0**0.5  # fixes what a strength means: every feature vector gets this length
FEWEST_ROWS = 50
COMPONENTS = 64  # at these strengths the ridge hears no more of a domain's features than its first components
Floats = npt.NDArray[np.float32]
Judge = Literal["choice", "differences"]
"""What a residual must improve: the quality of the LLM chosen for it (where only the best LLM matters), or the squared
error of the differences between LLMs (where choices are made at many prices: every LLM may be the one to compare)"""

_Gain = Callable[[Floats, Floats], npt.NDArray[np.float64]]


def shrunk_quality(
    features: Floats, quality: Floats, domains: npt.NDArray[np.int64], seed: int, judged_by: Judge = "choice"
) -> Floats:
    """Targets, (n, n_llms). NaN only in a domain's column where nobody knows the LLM's quality.

    Args:
        features: (n, width).
        quality: (n, n_llms) in [0, 1], NaN where unknown.
        domains: (n,).
        seed: of the cross-validation's folds.
        judged_by: what a residual must improve to be believed.
    """
    gain = _earned if judged_by == "choice" else _closeness
    unit = features / np.linalg.norm(features, axis=1, keepdims=True) * FEATURE_NORM
    targets = np.empty_like(quality)
    for domain in np.unique(domains):
        rows = np.flatnonzero(domains == domain)
        targets[rows] = _shrunk(_leading_components(unit[rows]), quality[rows], gain, np.random.default_rng(seed))
    return targets


def column_means(quality: Floats) -> Floats:
    """Mean of the known values of every column, (n_llms,); NaN where none is known."""
    known = ~np.isnan(quality)
    total = np.where(known, quality, 0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan).astype(np.float32)


def _shrunk(features: Floats, quality: Floats, gain: _Gain, generator: np.random.Generator) -> Floats:
    strength = _best_strength(features, quality, gain, generator)
    predicted = _Ridge(features, quality).predict(features, strength)
    return np.clip(predicted, 0, 1)


def _leading_components(features: Floats) -> Floats:
    centred = features - features.mean(axis=0)
    _, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    return np.asarray(centred @ axes[:, -COMPONENTS:], dtype=np.float32)


def _best_strength(features: Floats, quality: Floats, gain: _Gain, generator: np.random.Generator) -> float:
    if len(features) < FEWEST_ROWS:
        return float("inf")
    gains = np.zeros((len(STRENGTHS), len(features)))
    for _ in range(REPEATS):
        fold_of = generator.permutation(len(features)) % FOLDS
        for fold in range(FOLDS):
            held = fold_of == fold
            ridge = _Ridge(features[~held], quality[~held])
            by_mean = gain(ridge.predict(features[held], float("inf")), quality[held])
            for index, strength in enumerate(STRENGTHS):
                gains[index, held] += gain(ridge.predict(features[held], strength), quality[held]) - by_mean
    gains /= REPEATS
    lower = gains.mean(axis=1) - MARGIN * gains.std(axis=1) / np.sqrt(len(features))
    return STRENGTHS[int(len(lower) - 1 - np.argmax(lower[::-1]))]  # the strongest of equals


def _earned(predicted: Floats, quality: Floats) -> npt.NDArray[np.float64]:
    """Quality of the LLM with the highest prediction among those known, (n,); 0 where none is."""
    choosable = np.where(np.isnan(quality) | np.isnan(predicted), -np.inf, predicted)
    earned = quality[np.arange(len(quality)), choosable.argmax(axis=1)]
    return np.asarray(np.nan_to_num(earned), dtype=np.float64)


def _closeness(predicted: Floats, quality: Floats) -> npt.NDArray[np.float64]:
    """Minus the mean squared error over known LLMs, (n,), but for what all of a query's errors share; 0 for none."""
    error = (quality - predicted).astype(np.float64)
    known = ~np.isnan(error)
    count = np.maximum(known.sum(axis=1), 1)
    shared = np.where(known, error, 0).sum(axis=1) / count
    own = np.where(known, error - shared[:, None], 0)
    return np.asarray(-(own**2).sum(axis=1) / count)


class _Ridge:
    """Ridge regression at every strength from one eigendecomposition; unknown values count as the mean."""

    def __init__(self, features: Floats, quality: Floats) -> None:
        self._center, self._mean = features.mean(axis=0), column_means(quality)
        centred = features - self._center
        residual = np.nan_to_num(quality - self._mean)
        eigenvalues, self._axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
        self._eigenvalues = np.maximum(eigenvalues, 0)
        self._weights = self._axes.T @ (centred.T @ residual)

    def predict(self, features: Floats, strength: float) -> Floats:
        rotated = (features - self._center) @ self._axes
        shrunk = self._weights / (self._eigenvalues + strength)[:, None]
        return np.asarray(self._mean + rotated @ shrunk, dtype=np.float32)
