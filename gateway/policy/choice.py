"""Who is chosen among ranked candidates, and which rule said so: stickiness, then abstention, else the best."""

import enum
from collections.abc import Sequence
from typing import NamedTuple

from gateway.policy.abstention import default_instead
from gateway.policy.ranking import Ranked, margin, with_first
from gateway.policy.stickiness import is_kept


class Rule(enum.Enum):
    """What decided."""

    BEST = "best"
    STICKY = "sticky"
    ABSTAINED = "abstained"


class Choice(NamedTuple):
    """The chosen candidate first, then the others by adjusted score."""

    order: list[Ranked]
    rule: Rule
    detail: str


def choose(
    ranked: list[Ranked], session_llm: str | None, sticky_margin: float, min_margin: float, defaults: Sequence[str]
) -> Choice:
    """Applies the rules; see `stickiness.is_kept` and `abstention.default_instead` for the arguments.

    Args:
        ranked: at least one candidate, best adjusted score first.
        session_llm: the LLM of the session.
        sticky_margin: how far it may be behind.
        min_margin: how far the best must be ahead.
        defaults: ranked.
    """
    if session_llm is not None and is_kept(ranked, session_llm, sticky_margin):
        return Choice(with_first(ranked, session_llm), Rule.STICKY, f"the session's LLM, not {sticky_margin:g} behind")
    if (default := default_instead(ranked, min_margin, defaults)) is not None:
        detail = f"the best LLM is ahead by {margin(ranked):.4g} only, not by {min_margin:g}"
        return Choice(with_first(ranked, default), Rule.ABSTAINED, detail)
    return Choice(ranked, Rule.BEST, "highest score")
