"""Why this LLM: every LLM of the pool with its score and what it costs, or why it did not take part."""

from collections.abc import Collection, Sequence
from typing import Any

from gateway.domain.decision import Decision
from gateway.domain.scorer import Neighbours
from gateway.policy.eligibility import CallerRules, refusals, usable
from gateway.pool.pool import Pool


def explained(
    decision: Decision,
    pool: Pool,
    rules: Sequence[CallerRules],
    visible: Sequence[CallerRules],
    neighbours: Neighbours | None,
) -> dict[str, Any]:
    """What `?explain=true` adds to the answer; LLMs that the caller's key may not use (`visible`) are not named.

    The decision must have been made with every candidate. Neighbours of another bundle than its own explain nothing.
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
        "neighbours": _near(neighbours, shown) if neighbours and neighbours.bundle_id == decision.bundle_id else None,
    }


def _near(neighbours: Neighbours, shown: Collection[str]) -> list[dict[str, Any]]:
    return [
        {
            "query": near.query,
            "similarity": near.similarity,
            "grades": {llm: grade for llm, grade in near.grades.items() if llm in shown},
        }
        for near in neighbours.nearest
    ]
