"""From a query's case to its decision, with scores or without: pure, apart from whose turn it is among endpoints."""

import time
from dataclasses import replace
from typing import NamedTuple

from gateway.domain.decision import Candidate, Decision, Reason
from gateway.domain.query import RouteQuery
from gateway.domain.scorer import Bundle, Scored
from gateway.policy import defaults, eligibility, ranking
from gateway.policy.choice import Rule, Thresholds, choose
from gateway.policy.confidence import confidence
from gateway.pool.pool import Pool

_REASONS = {Rule.STICKY: Reason.STICKY, Rule.ABSTAINED: Reason.ABSTAINED}


class Case(NamedTuple):
    """A query and what is known before it is scored; the pool is that of its arrival, whatever is loaded meanwhile."""

    query: RouteQuery
    pool: Pool
    eligible: frozenset[str]
    cost: dict[str, float]
    session_llm: str | None
    arrived_ns: int

    @property
    def defaults(self) -> tuple[str, ...]:
        """Ranked: the query's own (those of its virtual model), then the pool's."""
        return (*self.query.defaults, *self.pool.defaults)

    def fitting(self, eligible: frozenset[str], counted: int | None) -> frozenset[str]:
        """Those of `eligible` whose context the query fits; `counted` None where nobody counted its tokens.

        Raises:
            ContextOverflowError: it fits none.
        """
        if not self.pool.context_tokens:
            return eligible
        others = self.query.other_bytes
        if counted is None:
            tokens = eligibility.estimated_tokens(len(self.query.text.encode()) + others)
        else:
            tokens = counted + eligibility.estimated_tokens(others)
        return eligibility.fitting(eligible, self.pool.context_tokens, tokens)


def decide(case: Case, scored: Scored) -> Decision:
    """Applies the policy to scores: eligibility, cost, session, abstention.

    Raises:
        BundleMismatchError: the scores' bundle and the pool do not belong together.
        ContextOverflowError: no LLM can read so many tokens.
    """
    started_ns = time.perf_counter_ns()
    query, pool, scores = case.query, case.pool, scored.scores
    eligible = case.fitting(pool.scored(case.eligible, scores.bundle), None if scores.truncated else scores.token_count)
    ranked = ranking.rank(scores.bundle.llms, scores.values, eligible, case.cost)
    choice = choose(
        ranked,
        _thresholds(pool.thresholds, query),
        defaults=case.defaults,
        session_llm=case.session_llm,
        confidence=_confidence(scores.bundle, ranked[0]),
    )
    candidates = tuple(
        Candidate(r.llm, pool.endpoint(r.llm, query.caller), r.score, r.adjusted_score, _confidence(scores.bundle, r))
        for r in choice.order[: query.max_candidates]
    )
    done_ns = time.perf_counter_ns()
    return Decision(
        request_id=query.request_id,
        candidates=candidates,
        reason=_REASONS.get(choice.rule, Reason.CACHED if scored.cached else Reason.ROUTED),
        reason_detail=choice.detail + (" after cost" if case.cost and choice.rule is Rule.BEST else ""),
        margin=ranking.margin(ranked),
        token_count=scores.token_count,
        truncated=scores.truncated,
        bundle_id=scores.bundle.bundle_id,
        queue_ns=scored.queue_ns,
        score_ns=scored.score_ns,
        policy_ns=done_ns - started_ns,
        total_ns=done_ns - case.arrived_ns,
    )


def undecided(case: Case, reason: Reason, detail: str) -> Decision:
    """Without scores: see `gateway.policy.defaults`.

    Raises:
        ContextOverflowError: no LLM can read so many tokens.
    """
    query, pool = case.query, case.pool
    eligible = case.fitting(case.eligible, None)
    order = defaults.order(eligible, llms=tuple(pool.llms), defaults=case.defaults, session_llm=case.session_llm)
    return Decision(
        request_id=query.request_id,
        candidates=tuple(Candidate(llm, pool.endpoint(llm, query.caller)) for llm in order[: query.max_candidates]),
        reason=reason,
        reason_detail=detail,
        total_ns=time.perf_counter_ns() - case.arrived_ns,
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
