"""Abstaining: where no LLM is clearly ahead, or good enough, the configured default answers instead of a guess."""

from collections.abc import Sequence

from gateway.policy.ranking import Ranked, margin


def reason_to_abstain(
    ranked: Sequence[Ranked], min_margin: float, confidence: float | None, min_confidence: float
) -> str | None:
    """Why the first candidate should not answer, for people; None where it should.

    Args:
        ranked: best adjusted score first.
        min_margin: how far the first must be ahead of the second; 0: not at all.
        confidence: of the first candidate; None where it is not known: that is no doubt.
        min_confidence: how high it must be.
    """
    if min_margin and (lead := margin(ranked)) is not None and lead < min_margin:
        return f"the best LLM is ahead by {lead:.4g} only, not by {min_margin:g}"
    if confidence is not None and confidence < min_confidence:
        return f"confidence in the best LLM is {confidence:.4g}, not {min_confidence:g}"
    return None


def default_among(ranked: Sequence[Ranked], defaults: Sequence[str]) -> str | None:
    """The first of the ranked `defaults` that is a candidate; None where none is."""
    candidates = {r.llm for r in ranked}
    return next((llm for llm in defaults if llm in candidates), None)
