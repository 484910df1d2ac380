"""Blending: the scores of a conversation from those of its user texts."""

from collections.abc import Sequence
from itertools import accumulate, repeat
from operator import mul

RECENCY = 0.35
"""How much a text counts beside the one after it, where both say as much."""


def blended(rows: Sequence[Sequence[float]], weights: Sequence[float]) -> tuple[float, ...]:
    """The weighted mean of score vectors.

    Args:
        rows: scores of each text, oldest first; (n_texts, n_llms).
        weights: how much each text says, > 0.
    """
    parts = shares(weights)
    total = sum(parts)
    return tuple(sum(map(mul, parts, column)) / total for column in zip(*rows, strict=True))


def shares(weights: Sequence[float]) -> list[float]:
    """How much each text counts beside the others, oldest first; `weights`: how much each says."""
    recency = list(accumulate(repeat(RECENCY, len(weights) - 1), mul, initial=1.0))[::-1]
    return [weight * factor for weight, factor in zip(weights, recency, strict=True)]


def mean(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The mean of score vectors, (n_texts, n_llms)."""
    return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))
