"""How good choices are on rows whose outcome is known, every data set weighing the same.

Does not know where scores come from.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from routerdc.losses.logits import LOGIT_PER_PROBABILITY

SOFTNESS = 0.05  # in probability: LLMs this close share the choice
CONFIDENT = 1.96  # standard errors to either end of a 95 % interval
Array = npt.NDArray[Any]


class Gain(NamedTuple):
    """What one chooser earns more than another, in [-1, 1]: the mean, its standard error, and the rows it is from."""

    mean: float
    error: float
    rows: int

    @classmethod
    def over_data_sets(cls, difference: Array, data_set: Array) -> "Gain":
        """Every data set weighs the same. `difference`: (n,), NaN where one of the two cannot be judged."""
        known = ~np.isnan(difference)
        parts = [difference[known & (data_set == one)] for one in np.unique(data_set[known])]
        error = float(np.sum([part.var() / len(part) for part in parts])) ** 0.5 / len(parts)
        return cls(float(np.mean([part.mean() for part in parts])), error, int(known.sum()))

    def in_points(self) -> dict[str, float | int]:
        """With the ends of the 95 % interval, in per cent."""
        ends = {"points": 0.0, "low": -CONFIDENT, "high": CONFIDENT}
        found = {name: round(100 * (self.mean + errors * self.error), 2) for name, errors in ends.items()}
        return {**found, "rows": self.rows}


def graded_choice(scores: Array, quality: Array) -> Array:
    """Quality of the best-scored LLM among those that are graded, (n,); NaN where none is. Both are (n, n_llms).

    A choice without a grade cannot be judged; to leave such rows out would flatter who makes it.
    """
    known = ~(np.isnan(quality) | np.isnan(scores))
    chosen = np.where(known, scores, -np.inf).argmax(axis=1)
    return np.where(known.any(axis=1), quality[np.arange(len(quality)), chosen], np.nan)


def per_data_set(values: Array, data_set: Array) -> dict[int, float]:
    """Mean of the known `values` (n,) within each data set."""
    means = {int(one): values[data_set == one] for one in np.unique(data_set)}
    return {one: float(np.nanmean(part)) for one, part in means.items() if not np.isnan(part).all()}


def macro_quality(scores: Array, quality: Array, data_set: Array) -> float:
    """Mean over data sets of the mean quality of the choice."""
    return float(np.mean(list(per_data_set(graded_choice(scores, quality), data_set).values())))


def expected_quality(scores: Array, quality: Array, data_set: Array) -> float:
    """`macro_quality` of a choice drawn from softmax(scores): smooth, so steps compare with less luck."""
    known = ~np.isnan(quality)
    logits = np.where(known, scores, -np.inf) / (LOGIT_PER_PROBABILITY * SOFTNESS)
    some = known.any(axis=1)
    weight = np.exp(logits[some] - logits[some].max(axis=1, keepdims=True))
    expected = (weight * np.nan_to_num(quality[some])).sum(axis=1) / weight.sum(axis=1)
    return float(np.mean(list(per_data_set(expected, data_set[some]).values())))
