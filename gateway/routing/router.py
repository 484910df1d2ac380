"""The use case: a checked query comes in, a decision goes out.

Scores first, then policy. Where there are no scores (the scorer is slow, down, or serves another bundle), the
configured default answers, marked and counted. Knows no protobuf, no gRPC, and of the scorer only its protocol.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import structlog

from gateway.domain.decision import Candidate, Decision, Reason
from gateway.domain.outcomes import EndpointState
from gateway.domain.query import Report, RouteQuery
from gateway.domain.scorer import Bundle, Scored, Scorer
from gateway.errors import InvalidRequestError, ScorerError
from gateway.limits.admission import Admission
from gateway.policy import eligibility, ranking
from gateway.policy.choice import Rule, Thresholds, choose
from gateway.policy.confidence import confidence
from gateway.pool.pool import Pool
from gateway.routing.sessions import Sessions
from gateway.telemetry.logs import Throttled
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger("gateway.routing.router")

_REASONS = {Rule.STICKY: Reason.STICKY, Rule.ABSTAINED: Reason.ABSTAINED}


class Router:
    """Decides which LLM answers."""

    def __init__(
        self,
        pool: Pool,
        scorer: Scorer,
        admission: Admission,
        metrics: Metrics,
        *,
        sessions: Sessions | None = None,
    ) -> None:
        """The pool's `cost_weight` and `thresholds` hold where a query says nothing."""
        self.pool = pool
        self._scorer = scorer
        self._admission = admission
        self._metrics = metrics
        self._sessions = Sessions() if sessions is None else sessions
        self._log = log.bind()  # the module's own is set up anew for each line, written or not
        self._warn = Throttled(log, "fallback")
        self._warn_of_last_resort = Throttled(log, "last_resort")

    @property
    def bundle_id(self) -> str:
        """Id of the bundle that the scorer serves."""
        return self._scorer.bundle.bundle_id

    async def route(self, query: RouteQuery, deadline: float) -> Decision:
        """Decides for one query, not later than `deadline` (of `time.monotonic()`).

        Raises:
            OverloadedError, NoLlmError, ExcludedError, PriceUnknownError, InvalidRequestError: see errors.py. Never a
                ScorerError.
        """
        self._admission.take(1)
        try:
            return await self._decide(query, deadline)
        finally:
            self._admission.give_back(1)

    async def route_many(self, queries: Sequence[RouteQuery], deadline: float) -> list[Decision | BaseException]:
        """Decides for many queries at once: result i belongs to query i, and is an error where that one failed alone.

        Raises:
            OverloadedError: there is no room for all of them.
        """
        self._admission.take(len(queries))
        try:
            return await asyncio.gather(*(self._decide(query, deadline) for query in queries), return_exceptions=True)
        finally:
            self._admission.give_back(len(queries))

    def report(self, report: Report) -> EndpointState:
        """Takes note of how a call to an endpoint ended, and says what is thought of that endpoint now.

        Raises:
            InvalidRequestError: the pool has no such endpoint.
        """
        found = self.pool.find(report.address, report.model)
        if found is None:
            raise InvalidRequestError("endpoint", f"the pool has none at {report.address!r} for {report.model!r}")
        llm, endpoint = found
        self._metrics.endpoints.outcome(llm, report.outcome, report.latency_seconds)
        ejected_seconds = self.pool.endpoint_health.report(endpoint, report.outcome)
        if ejected_seconds is not None:
            self._metrics.endpoints.ejection(llm)
            log.warning("endpoint ejected", llm=llm, address=endpoint.address, seconds=ejected_seconds)
        return self.pool.endpoint_health.state(endpoint)

    async def _decide(self, query: RouteQuery, deadline: float) -> Decision:
        arrived_ns = time.perf_counter_ns()
        pool = self.pool
        eligible = pool.eligible(eligibility.permitted(pool.names, pool.prices, query.rules))
        if eligible.isdisjoint(pool.healthy):
            self._metrics.endpoints.last_resort()
            self._warn_of_last_resort("unhealthy", request_id=query.request_id, llms=sorted(eligible))
        weight = pool.cost_weight if query.cost_weight is None else query.cost_weight
        cost = ranking.costs(eligible, weight, pool.prices)
        if len(eligible) == 1:
            decision = _unscored(query, pool, eligible, Reason.ONLY_ONE, "no other LLM may answer", arrived_ns, ())
        else:
            try:
                scored = await self._scorer.score(query.text, deadline)
                among = pool.scored(eligible, scored.scores.bundle)
                decision = self._scored(query, pool, among, cost, scored, arrived_ns)
            except ScorerError as error:
                decision = self._fallback(query, pool, eligible, error, arrived_ns)
        self._metrics.decision(decision)
        self._log.debug(
            "decided",
            request_id=decision.request_id,
            llm=decision.candidates[0].llm,
            reason=decision.reason.value,
            ms=decision.total_ns / 1e6,
            token_count=decision.token_count,
        )
        return decision

    def _fallback(
        self, query: RouteQuery, pool: Pool, eligible: frozenset[str], error: ScorerError, arrived_ns: int
    ) -> Decision:
        self._metrics.fallback(error.cause)
        self._warn(error.cause, request_id=query.request_id, error=str(error))
        defaults = (*query.defaults, *pool.defaults)
        if (llm := self._sessions.llm(query.session_id)) is not None:
            defaults = (llm, *defaults)
        return _unscored(query, pool, eligible, Reason.FALLBACK, error.told, arrived_ns, defaults)

    def _scored(
        self,
        query: RouteQuery,
        pool: Pool,
        eligible: frozenset[str],
        cost: dict[str, float],
        scored: Scored,
        arrived_ns: int,
    ) -> Decision:
        started_ns = time.perf_counter_ns()
        scores = scored.scores
        if pool.context_tokens:
            tokens = _tokens(query, None if scores.truncated else scores.token_count)
            eligible = eligibility.fitting(eligible, pool.context_tokens, tokens)
        ranked = ranking.rank(scores.bundle.llms, scores.values, eligible, cost)
        session_llm, defaults = self._sessions.llm(query.session_id), (*query.defaults, *pool.defaults)
        choice = choose(
            ranked,
            _thresholds(pool.thresholds, query),
            defaults=defaults,
            session_llm=session_llm,
            confidence=_confidence(scores.bundle, ranked[0]),
        )
        self._sessions.remember(query.session_id, choice.order[0].llm)
        candidates = tuple(
            Candidate(r.llm, pool.endpoint(r.llm), r.score, r.adjusted_score, _confidence(scores.bundle, r))
            for r in choice.order[: query.max_candidates]
        )
        done_ns = time.perf_counter_ns()
        return Decision(
            request_id=query.request_id,
            candidates=candidates,
            reason=_REASONS.get(choice.rule, Reason.CACHED if scored.cached else Reason.ROUTED),
            reason_detail=choice.detail + (" after cost" if cost and choice.rule is Rule.BEST else ""),
            margin=ranking.margin(ranked),
            token_count=scores.token_count,
            truncated=scores.truncated,
            bundle_id=scores.bundle.bundle_id,
            queue_ns=scored.queue_ns,
            score_ns=scored.score_ns,
            policy_ns=done_ns - started_ns,
            total_ns=done_ns - arrived_ns,
        )


def _thresholds(configured: Thresholds, query: RouteQuery) -> Thresholds:
    if query.min_margin is None and query.min_confidence is None:
        return configured
    return replace(
        configured,
        min_margin=configured.min_margin if query.min_margin is None else query.min_margin,
        min_confidence=configured.min_confidence if query.min_confidence is None else query.min_confidence,
    )


def _confidence(bundle: Bundle, ranked: ranking.Ranked) -> float | None:
    calibration = bundle.calibration[bundle.llms.index(ranked.llm)] if bundle.calibration else None
    return None if calibration is None else confidence(ranked.score, *calibration)


def _tokens(query: RouteQuery, counted: int | None) -> int:
    """About what an LLM has to read; `counted` None where nobody counted the query's tokens."""
    if counted is None:
        return eligibility.estimated_tokens(len(query.text.encode()) + query.other_bytes)
    return counted + eligibility.estimated_tokens(query.other_bytes)


def _unscored(
    query: RouteQuery,
    pool: Pool,
    eligible: frozenset[str],
    reason: Reason,
    detail: str,
    arrived_ns: int,
    defaults: Sequence[str],
) -> Decision:
    if pool.context_tokens:
        eligible = eligibility.fitting(eligible, pool.context_tokens, _tokens(query, None))
    order = ranking.fallback_order(defaults, tuple(pool.llms), eligible)[: query.max_candidates]
    return Decision(
        request_id=query.request_id,
        candidates=tuple(Candidate(llm, pool.endpoint(llm)) for llm in order),
        reason=reason,
        reason_detail=detail,
        total_ns=time.perf_counter_ns() - arrived_ns,
    )
