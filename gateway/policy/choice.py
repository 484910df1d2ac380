"""Chooses among ranked candidates and says by which rule: stickiness, then abstention, else the best."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.policy.abstention import default_among, reason_to_abstain
from gateway.policy.ranking import Ranked, margin, with_first
from gateway.policy.stickiness import keeps_session_llm


class Rule(enum.Enum):
    """What decided."""

    BEST = "best"
    STICKY = "sticky"
    ABSTAINED = "abstained"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When the best candidate is not chosen; as it stands: never."""

    sticky_margin: float = 0.0  # how far the session's LLM may be behind
    min_margin: float = 0.0  # how far the best must be ahead
    min_confidence: float = 0.0  # how sure it must be
    switch_cost: float = 0.0  # what is added to `sticky_margin` for each 1,000 tokens that are in the chat


class Choice(NamedTuple):
    """The chosen candidate first, then the others by adjusted score."""

    order: list[Ranked]
    rule: Rule
    detail: str
    margin: float | None  # how far the best is ahead of the second; None where there is no second


def choose(
    ranked: list[Ranked],
    thresholds: Thresholds,
    *,
    defaults: Sequence[str],
    session_llm: str | None = None,
    confidence: float | None = None,
) -> Choice:
    """Applies the rules.

    Args:
        ranked: at least one candidate, best adjusted score first.
        thresholds: of the rules.
        defaults: ranked; where none of them is a candidate, there is no abstaining.
        session_llm: the LLM that answered the session before; None where there was none.
        confidence: of the first candidate; None where it is not known.
    """
    if session_llm is not None and keeps_session_llm(ranked, session_llm, thresholds.sticky_margin):
        detail = f"the session's LLM, not {thresholds.sticky_margin:g} behind"
        return Choice(with_first(ranked, session_llm), Rule.STICKY, detail, margin(ranked))
    reason = reason_to_abstain(ranked, thresholds.min_margin, confidence, thresholds.min_confidence)
    if reason is not None and (default := default_among(ranked, defaults)) is not None:
        return Choice(with_first(ranked, default), Rule.ABSTAINED, reason, margin(ranked))
    return Choice(ranked, Rule.BEST, "highest score", margin(ranked))
