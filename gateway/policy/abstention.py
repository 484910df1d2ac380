"""Abstaining: where no LLM is clearly ahead, the configured default answers instead of a guess."""

from collections.abc import Sequence

from gateway.policy.ranking import Ranked, margin


def default_instead(ranked: Sequence[Ranked], min_margin: float, defaults: Sequence[str]) -> str | None:
    """The default that answers in place of the first candidate, or None where that one stands.

    Args:
        ranked: best adjusted score first.
        min_margin: how far the first must be ahead of the second; 0: not at all.
        defaults: ranked; where none of them is a candidate, the first candidate stands.
    """
    lead = margin(ranked)
    if lead is None or lead >= min_margin:
        return None
    candidates = {r.llm for r in ranked}
    return next((llm for llm in defaults if llm in candidates), None)
