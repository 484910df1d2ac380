"""Quality smoothed over similar queries: what a router should believe of a query, rather than what one draw showed.

One answer per query is mostly luck, so labels are smoothed before they are learned. Kernel ridge regression (a Gaussian
process with two widths) predicts what is left of quality after the additive effects of LLM and row:

    target[i, j] = llm[j] + ease(i) + Σ_a k(i, a) · weight[a, j],    k(i, a) = exp((cos(i, a) - 1) / width)

The wide kernel finds domains, the narrow one tasks within them, and far from all anchors both vanish: what remains is
the LLM's quality on average. `Strength` is how many rows' worth of belief stands against each kernel; it is chosen by
cross-validation over rows and over left-out kinds of queries (`best_strength`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from routerdc.training.judging.judge import graded_choice, macro_quality
from routerdc.training.preparation.effects import additive_effects

NARROW, WIDE = 0.1, 1.0  # widths of the kernels, in cosines
NARROW_STRENGTHS = (3.0, 10.0, 30.0, None)
WIDE_STRENGTHS = (10.0, 30.0, 100.0, None)
JITTER = 1e-4  # keeps the kernel among anchors positive definite
FOLDS = 5
MARGIN = 1.0  # standard errors that choices must be better by
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Strength(NamedTuple):
    """Rows of belief against each kernel's finding anything; None: the kernel is not used."""

    narrow: float | None
    wide: float | None


GRID = tuple(Strength(narrow, wide) for narrow in NARROW_STRENGTHS for wide in WIDE_STRENGTHS)
NOTHING = Strength(None, None)


@dataclass(frozen=True)
class Basis:
    """Kernel features of rows such that their inner products are the (Nyström) kernels, narrow beside wide."""

    features: Floats
    """(n, 2 · n_anchors)"""

    @classmethod
    def of(cls, coordinates: Floats, anchors: Floats) -> "Basis":
        """Both arguments are of unit length: (n, dim) and (n_anchors, dim)."""
        return cls(np.concatenate([_features(coordinates, anchors, width) for width in (NARROW, WIDE)], axis=1))

    def scale(self, strength: Strength) -> Floats:
        """(2 · n_anchors,): factors on the features that make ridge regression of strength 1 believe `strength`."""
        half = self.features.shape[1] // 2
        return np.repeat(np.array([0.0 if rows is None else rows**-0.5 for rows in strength], np.float32), half)


def _features(coordinates: Floats, anchors: Floats, width: float) -> Floats:
    among = np.exp((anchors @ anchors.T - 1).astype(np.float64) / width) + JITTER * np.eye(len(anchors))
    root = np.linalg.inv(np.linalg.cholesky(among)).T.astype(np.float32)
    return np.asarray(np.exp((coordinates @ anchors.T - 1) / width) @ root, dtype=np.float32)


def smoothed_quality(basis: Basis, quality: Floats, strength: Strength) -> Floats:
    """Targets, (n, n_llms) in [0, 1]; NaN only in the column of an LLM without any grade."""
    every = np.ones(len(quality), dtype=bool)
    return np.clip(_Regression(basis, quality, every).predict(every, strength), 0, 1).astype(np.float32)


def expected_quality(basis: Basis, quality: Floats, learn: npt.NDArray[np.bool_], strength: Strength) -> Floats:
    """What the rows in `learn`, (n,) of `basis`, say of the other rows: (others, n_llms)."""
    return _Regression(basis, quality, learn).predict(~learn, strength)


def best_strength(
    basis: Basis, quality: Floats, data_set: Ints, kinds: Ints, seed: int, steered: bool = False
) -> Strength:
    """The strength with the highest mean of two qualities of choice: by folds of rows, and by left-out kinds.

    Every data set weighs the same; of equals the one that believes less is taken. Where its choices are not proven
    better than the best single LLM's on rows of known kinds, choices tell little: one LLM wins nearly everywhere, and
    what counts is what the others are worth at a price. Then the strength with the least error there is taken, of
    those whose choices earn no less there than the best single LLM: the least error alone leaves it too often.

    Where a plan has chosen whom to ask by grades, choices among those who were asked favour an LLM that was not, and on
    the few rows that all were asked they are mostly luck: there the least error on these decides.

    Args:
        basis: of all rows, n.
        quality: (n, n_llms), NaN where unknown.
        data_set: (n,).
        kinds: (n,) the fold of each row's kind, as `folds_of_kinds` gives it.
        seed: of the folds of rows.
        steered: whether a plan has chosen by grades whom to ask (`Dataset.steered`).
    """
    by_row = _out_of_fold(basis, quality, np.random.default_rng(seed).permutation(len(quality)) % FOLDS)
    whole = ~np.isnan(quality).any(axis=1)
    if steered and whole.any():
        return min(reversed(GRID), key=lambda strength: _error(by_row[strength][whole], quality[whole]))
    by_kind = _out_of_fold(basis, quality, kinds)

    def earned_by_row(strength: Strength) -> float:
        return macro_quality(by_row[strength], quality, data_set)

    def earned(strength: Strength) -> float:
        return earned_by_row(strength) + macro_quality(by_kind[strength], quality, data_set)

    best = max(reversed(GRID), key=earned)
    if _proven(by_row[best], by_row[NOTHING], quality):
        return best
    harmless = [strength for strength in reversed(GRID) if earned_by_row(strength) >= earned_by_row(NOTHING)]
    return min(harmless, key=lambda strength: _error(by_row[strength], quality))


def _out_of_fold(basis: Basis, quality: Floats, fold_of: Ints) -> dict[Strength, Floats]:
    """(n, n_llms) by strength: every row by what was learned from the other folds."""
    scores = {strength: np.zeros_like(quality) for strength in GRID}
    for judged in _folds(fold_of):
        regression = _Regression(basis, quality, ~judged)
        for strength in GRID:
            scores[strength][judged] = regression.sketch(judged, strength)
    return scores


def _proven(scores: Floats, without: Floats, quality: Floats) -> bool:
    """Whether choices by `scores` earn `MARGIN` standard errors more than choices by `without`."""
    gain = graded_choice(scores, quality) - graded_choice(without, quality)
    gain = gain[~np.isnan(gain)]
    return bool(len(gain)) and bool(gain.mean() > MARGIN * gain.std() / len(gain) ** 0.5)


def _error(scores: Floats, quality: Floats) -> float:
    """Mean squared error of the differences between LLMs: what all of a row's errors share changes no choice."""
    error = (scores - quality).astype(np.float64)
    return float(np.nanmean((error - np.nanmean(error, axis=1, keepdims=True)) ** 2))


def folds_of_kinds(kinds: Sequence[object], seed: int) -> Ints:
    """(n,): a fold for each row, such that no kind is in two folds; as many as there are kinds, at most `FOLDS`."""
    names = sorted(set(kinds), key=repr)
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {names[index]: place % FOLDS for place, index in enumerate(order)}
    return np.array([fold_of[kind] for kind in kinds], dtype=np.int64)


def _folds(fold_of: Ints) -> Iterator[npt.NDArray[np.bool_]]:
    for fold in np.unique(fold_of):
        judged = fold_of == fold
        if not judged.all():
            yield judged


class _Regression:
    """Additive effects of the rows in `learn`, and what kernel ridge regression makes of the rest, at any strength.

    Unknown residuals are filled with their own predictions, round after round, so they pull on nothing (EM).
    """

    ROUNDS = 6

    def __init__(self, basis: Basis, quality: Floats, learn: npt.NDArray[np.bool_]) -> None:
        self._basis, self._known = basis, basis.features[learn]
        self._effects = additive_effects(quality[learn])
        residual = quality[learn] - self._effects.expected
        self._columns = np.column_stack([residual, self._effects.ease]).astype(np.float32)
        self._missing = np.isnan(self._columns)
        self._gram = self._known.T @ self._known

    def predict(self, rows: npt.NDArray[np.bool_], strength: Strength) -> Floats:
        """Expected quality, (rows, n_llms)."""
        scale = self._basis.scale(strength)
        inverse = np.linalg.inv(scale[:, None] * self._gram * scale + np.eye(len(scale), dtype=np.float32))
        solve = scale[:, None] * inverse * scale
        return self._predicted(rows, lambda moments: solve @ moments)

    def sketch(self, rows: npt.NDArray[np.bool_], strength: Strength) -> Floats:
        """The same but for its last digits, in an eighth of the time: to compare strengths, of which there are many.

        Labels do not come from here: training makes much of their last digits, and a bundle could not be made again.
        """
        from scipy.linalg import cho_factor, cho_solve

        scale = self._basis.scale(strength)
        used = scale > 0  # a kernel that is not used has no weights
        scale = scale[used, None]
        gram = scale * self._gram[np.ix_(used, used)] * scale.T
        factor = cho_factor(gram + np.eye(len(scale), dtype=np.float32), overwrite_a=True)

        def solve(moments: Floats) -> Floats:
            weights = np.zeros_like(moments)
            weights[used] = scale * cho_solve(factor, scale * moments[used])
            return weights

        return self._predicted(rows, solve)

    def _predicted(self, rows: npt.NDArray[np.bool_], solve: Callable[[Floats], Floats]) -> Floats:
        """`solve`: sums over rows of features times columns → weights, both (2 · n_anchors, n_llms + 1)."""
        columns = np.nan_to_num(self._columns)
        weights = solve(self._known.T @ columns)
        for _ in range(self.ROUNDS if self._missing.any() else 0):
            columns[self._missing] = (self._known @ weights)[self._missing]
            weights = solve(self._known.T @ columns)
        smooth = self._basis.features[rows] @ weights
        return np.asarray(self._effects.llm + smooth[:, -1:] + smooth[:, :-1], dtype=np.float32)
