"""The use case: a checked query comes in, a decision goes out.

Scores first, then policy. Where there are no scores (the scorer is slow, down, or serves another bundle), the
configured default answers, marked and counted. Knows no protobuf, no gRPC, and of the scorer only its protocol.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog

from gateway import policy
from gateway.admission import Admission
from gateway.decision import Candidate, Decision, Reason
from gateway.errors import ScorerError
from gateway.logs import Throttled
from gateway.metrics import Metrics
from gateway.pool import Pool
from gateway.scorer import Scored, Scorer
from gateway.validation import RouteQuery

log = structlog.get_logger("gateway.router")


class Router:
    """Decides which LLM answers."""

    def __init__(
        self, pool: Pool, scorer: Scorer, admission: Admission, metrics: Metrics, *, cost_weight: float = 0.0
    ) -> None:
        self.pool = pool
        self._scorer = scorer
        self._admission = admission
        self._metrics = metrics
        self._cost_weight = cost_weight
        self._warn = Throttled(log, "fallback")

    @property
    def bundle_id(self) -> str:
        """Id of the bundle that the scorer serves."""
        return self._scorer.bundle.bundle_id

    async def route(self, query: RouteQuery, deadline: float) -> Decision:
        """Decides for one query, not later than `deadline` (of `time.monotonic()`).

        Raises:
            OverloadedError, NoLlmError, PriceUnknownError, InvalidRequestError: see errors.py. Never a ScorerError.
        """
        with self._admission.slots(1):
            return await self._decide(query, deadline)

    async def route_many(self, queries: Sequence[RouteQuery], deadline: float) -> list[Decision | BaseException]:
        """Decides for many queries at once: result i belongs to query i, and is an error where that one failed alone.

        Raises:
            OverloadedError: there is no room for all of them.
        """
        with self._admission.slots(len(queries)):
            return await asyncio.gather(*(self._decide(query, deadline) for query in queries), return_exceptions=True)

    async def _decide(self, query: RouteQuery, deadline: float) -> Decision:
        arrived_ns = time.perf_counter_ns()
        pool = self.pool
        eligible = pool.eligible(query.allowed)
        weight = self._cost_weight if query.cost_weight is None else query.cost_weight
        cost = policy.costs(eligible, weight, pool.prices)
        if len(eligible) == 1:
            decision = _unscored(query, pool, eligible, Reason.ONLY_ONE, "no other LLM may answer", arrived_ns)
        else:
            try:
                scored = await self._scorer.score(query.text, deadline)
                pool.check(scored.scores.bundle)
                decision = _ranked(query, pool, eligible, cost, scored, arrived_ns)
            except ScorerError as error:
                self._metrics.fallback(error.cause)
                self._warn(error.cause, request_id=query.request_id, error=str(error))
                decision = _unscored(query, pool, eligible, Reason.FALLBACK, error.told, arrived_ns)
        self._metrics.decision(decision)
        log.debug(
            "decided",
            request_id=decision.request_id,
            llm=decision.candidates[0].llm,
            reason=decision.reason.value,
            ms=decision.total_ns / 1e6,
            token_count=decision.token_count,
        )
        return decision


def _ranked(
    query: RouteQuery, pool: Pool, eligible: frozenset[str], cost: dict[str, float], scored: Scored, arrived_ns: int
) -> Decision:
    started_ns = time.perf_counter_ns()
    scores = scored.scores
    ranked = policy.rank(scores.bundle.llms, scores.values, eligible, cost)
    candidates = tuple(
        Candidate(r.llm, pool.endpoint(r.llm), r.score, r.adjusted_score) for r in ranked[: query.max_candidates]
    )
    done_ns = time.perf_counter_ns()
    return Decision(
        request_id=query.request_id,
        candidates=candidates,
        reason=Reason.CACHED if scored.cached else Reason.ROUTED,
        reason_detail="highest score" if not cost else "highest score after cost",
        margin=policy.margin(ranked),
        token_count=scores.token_count,
        truncated=scores.truncated,
        bundle_id=scores.bundle.bundle_id,
        queue_ns=scored.queue_ns,
        score_ns=scored.score_ns,
        policy_ns=done_ns - started_ns,
        total_ns=done_ns - arrived_ns,
    )


def _unscored(
    query: RouteQuery, pool: Pool, eligible: frozenset[str], reason: Reason, detail: str, arrived_ns: int
) -> Decision:
    order = policy.fallback_order(pool.defaults, tuple(pool.llms), eligible)[: query.max_candidates]
    return Decision(
        request_id=query.request_id,
        candidates=tuple(Candidate(llm, pool.endpoint(llm)) for llm in order),
        reason=reason,
        reason_detail=detail,
        total_ns=time.perf_counter_ns() - arrived_ns,
    )
