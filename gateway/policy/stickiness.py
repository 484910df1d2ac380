"""Sticky sessions: a session keeps its LLM as long as that is about as good as the best.

A conversation that changes its LLM loses the LLM's prompt cache and its tone; a small lead is not worth that.
"""

from collections.abc import Sequence

from gateway.policy.ranking import Ranked


def keeps_session_llm(ranked: Sequence[Ranked], session_llm: str | None, sticky_margin: float) -> bool:
    """Whether the session's LLM answers although another is better: it may answer, and is at most that much behind.

    Args:
        ranked: best adjusted score first.
        session_llm: the LLM that answered before; None where the session is new or there is none.
        sticky_margin: how far it may be behind the first candidate.
    """
    if session_llm is None or ranked[0].llm == session_llm:
        return False
    least = ranked[0].adjusted_score - sticky_margin
    return any(r.llm == session_llm and r.adjusted_score >= least for r in ranked)
