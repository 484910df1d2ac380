"""Which LLMs may answer: allowed by caller and request, not too dear, with room for the query.

Health is the pool's business, and comes after these rules.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import ContextOverflowError, ExcludedError

_BYTES_PER_TOKEN = 4  # the usual rule of thumb; Chinese has about as many bytes a token


@dataclass(frozen=True, slots=True)
class CallerRules:
    """Which LLMs a caller, or one request, may have; as it stands: every one of them."""

    allowed: frozenset[str] | None = None  # None: all
    denied: frozenset[str] = frozenset()  # wins over `allowed`
    max_price: float | None = None  # US dollars per million tokens; an LLM without a price is not known to be below


def permitted(llms: frozenset[str], prices: Mapping[str, float], rules: Sequence[CallerRules]) -> frozenset[str]:
    """Those of `llms` that all of `rules` let answer.

    Raises:
        ExcludedError: there are none; the message says why, LLM by LLM.
    """
    left = usable(llms, prices, rules)
    if not left:
        raise ExcludedError(refusals(llms, prices, rules))
    return left


def refusals(llms: frozenset[str], prices: Mapping[str, float], rules: Sequence[CallerRules]) -> dict[str, str]:
    """Why `rules` refuse those of `llms` that they refuse."""
    refused = sorted(llms - usable(llms, prices, rules))
    return {llm: _refusal(llm, prices.get(llm), rules) for llm in refused}


def usable(llms: frozenset[str], prices: Mapping[str, float], rules: Sequence[CallerRules]) -> frozenset[str]:
    """Those of `llms` that all of `rules` let answer; perhaps none."""
    left = llms
    for rule in rules:
        if rule.allowed is not None:
            left &= rule.allowed
        if rule.denied:
            left -= rule.denied
        if (limit := rule.max_price) is not None:
            left = frozenset(llm for llm in left if prices.get(llm, math.inf) <= limit)
    return left


def fitting(llms: frozenset[str], context_tokens: Mapping[str, int], tokens: int) -> frozenset[str]:
    """Those of `llms` that can read `tokens`; one that is not in `context_tokens` reads everything.

    Raises:
        ContextOverflowError: there are none.
    """
    left = frozenset(llm for llm in llms if context_tokens.get(llm, tokens) >= tokens)
    if not left:
        raise ContextOverflowError({llm: context_tokens[llm] for llm in sorted(llms)}, tokens)
    return left


def estimated_tokens(n_bytes: int) -> int:
    """About how many tokens a text of `n_bytes` (UTF-8) is, where nobody has counted them."""
    return math.ceil(n_bytes / _BYTES_PER_TOKEN)


def _refusal(llm: str, price: float | None, rules: Sequence[CallerRules]) -> str:
    for rule in rules:
        if llm in rule.denied:
            return "denied"
        if rule.allowed is not None and llm not in rule.allowed:
            return "not allowed"
        if rule.max_price is not None and (price is None or price > rule.max_price):
            return "no price" if price is None else f"price {price:g} is over {rule.max_price:g}"
    raise AssertionError(f"{llm} is not refused")
