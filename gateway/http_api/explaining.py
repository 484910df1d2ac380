"""Why this LLM: every LLM of the pool with its score and what it costs, or why it did not take part."""

from collections.abc import Sequence
from typing import Any

from gateway.domain.decision import Decision
from gateway.policy.eligibility import CallerRules, refusals, usable
from gateway.pool.pool import Pool


def explained(
    decision: Decision, pool: Pool, rules: Sequence[CallerRules], visible: Sequence[CallerRules]
) -> dict[str, Any]:
    """What `?explain=true` adds to the answer; LLMs that the caller's key may not use (`visible`) are not named.

    The decision must have been made with every candidate.
    """
    shown = usable(pool.names, pool.prices, visible)
    found = {candidate.llm: candidate for candidate in decision.candidates}
    excluded = refusals(shown, pool.prices, rules)
    llms: list[dict[str, Any]] = []
    for name in (name for name in pool.llms if name in shown):
        row: dict[str, Any] = {"llm": name, "price": pool.prices.get(name)}
        if (candidate := found.get(name)) is not None:
            row |= {
                "score": candidate.score,
                "adjusted_score": candidate.adjusted_score,
                "cost": candidate.score - candidate.adjusted_score,
                "confidence": candidate.confidence,
            }
        else:
            row["left_out"] = excluded.get(name, "its endpoints are out of use or unhealthy, or the query is too long")
        llms.append(row)
    return {
        "rule": decision.reason.value,
        "detail": decision.reason_detail,
        "familiarity": decision.familiarity,
        "llms": llms,
    }
