"""From scores to ranked candidates.

    adjusted_score = score - cost_weight * price

With everybody eligible and no cost weight the first candidate is the argmax of the scores, which is Triton's `choice`:
ties go to the first column, as argmax does. Knows nothing of endpoints, requests or how scores are computed.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from gateway.errors import PriceUnknownError


class Ranked(NamedTuple):
    """An LLM that may answer, and how it did."""

    llm: str
    score: float
    adjusted_score: float


_ranked = partial(tuple.__new__, Ranked)  # takes half as long as Ranked(…), which each LLM of each query would call
_ADJUSTED_SCORE = attrgetter("adjusted_score")


def costs(eligible: Collection[str], cost_weight: float, prices: Mapping[str, float]) -> dict[str, float]:
    """What each eligible LLM gives up for its price; empty where cost does not count.

    Args:
        eligible: the LLMs that may answer.
        cost_weight: score points given up per US dollar per million tokens, ≥ 0.
        prices: US dollars per million tokens, by LLM.

    Raises:
        PriceUnknownError: `cost_weight` is not 0 and an eligible LLM has no price: to take it for free would prefer it.
    """
    if cost_weight == 0:
        return {}
    if missing := sorted(set(eligible) - set(prices)):
        raise PriceUnknownError(missing)
    return {llm: cost_weight * prices[llm] for llm in eligible}


def rank(
    llms: Sequence[str], scores: Sequence[float], eligible: Collection[str], cost: Mapping[str, float]
) -> list[Ranked]:
    """The eligible LLMs, best adjusted score first.

    Args:
        llms: names in column order.
        scores: one for each of `llms`.
        eligible: the LLMs that may answer; the others do not appear in the result.
        cost: what `costs` gave for them.
    """
    scored = zip(llms, scores, strict=True)
    if cost:
        ranked = [_ranked((llm, score, score - cost[llm])) for llm, score in scored if llm in eligible]
    else:
        ranked = [_ranked((llm, score, score)) for llm, score in scored if llm in eligible]
    ranked.sort(key=_ADJUSTED_SCORE, reverse=True)  # stable, so ties stay in column order
    return ranked


def margin(ranked: Sequence[Ranked]) -> float | None:
    """The margin of the first candidate over the second; None where there is no second."""
    return ranked[0].adjusted_score - ranked[1].adjusted_score if len(ranked) > 1 else None


def with_first(ranked: Sequence[Ranked], llm: str) -> list[Ranked]:
    """`llm`, which is one of `ranked`, before all the others, whose order stays."""
    return sorted(ranked, key=lambda r: r.llm != llm)
