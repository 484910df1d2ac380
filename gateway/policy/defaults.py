"""The LLMs that answer when nobody can decide: one rule for gRPC, for Envoy, and for Envoy alone."""

from collections.abc import Collection, Sequence


def order(
    eligible: Collection[str], *, llms: Sequence[str], defaults: Sequence[str], session_llm: str | None = None
) -> list[str]:
    """The eligible LLMs in the order in which they answer without a decision.

    The session's LLM comes first, because changing it costs the conversation's prompt cache; then the configured
    defaults as they are ranked, then everybody else in the order of endpoints.yaml.

    Args:
        eligible: the LLMs that may answer. Unhealthy ones are left out while a healthy one may answer.
        llms: every LLM of the pool, in the order of endpoints.yaml.
        defaults: ranked; a virtual model's own before the pool's.
        session_llm: the LLM that answered the session before; None where there was none.
    """
    first = () if session_llm is None else (session_llm,)
    return [llm for llm in dict.fromkeys((*first, *defaults, *llms)) if llm in eligible]
