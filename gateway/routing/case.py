"""From a query's case to its decision, with scores or without: pure, apart from whose turn it is among endpoints."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from gateway.domain.decision import Candidate, Decision, Reason
from gateway.domain.query import RouteQuery
from gateway.domain.scorer import Bundle, Scored
from gateway.policy import defaults, eligibility, ranking
from gateway.policy.choice import Choice, Rule, Thresholds, choose
from gateway.policy.confidence import confidence
from gateway.pool.pool import Pool
from gateway.routing.history import Past, ScoredConversation

UNFAMILIAR_BELOW = 0.5
"""The scores of a query less familiar than that say more of the LLMs in general than of the query."""


class Case(NamedTuple):
    """A query and what is known before it is scored; the pool is that of its arrival, whatever is loaded later."""

    query: RouteQuery
    pool: Pool
    eligible: frozenset[str]
    cost: dict[str, float]
    session_llm: str | None
    arrived_ns: int

    @property
    def defaults(self) -> tuple[str, ...]:
        """Ranked: the query's own (those of its virtual model), then the pool's."""
        return (*self.query.defaults, *self.pool.defaults) if self.query.defaults else self.pool.defaults

    @property
    def note(self) -> str:
        """What is said beside the reason."""
        conversation = self.query.conversation
        return f"; {conversation.note}" if conversation is not None and conversation.note else ""

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


def decide(case: Case, conversation: ScoredConversation) -> Decision:
    """Applies the policy to scores: eligibility, cost, session, abstention.

    Raises:
        BundleMismatchError: the scores' bundle and the pool do not belong together.
        ContextOverflowError: no LLM can read so many tokens.
    """
    started_ns = time.perf_counter_ns()
    query, pool, scored = case.query, case.pool, conversation.scored
    scores = scored.scores
    eligible = case.fitting(pool.scored(case.eligible, scores.bundle), None if scores.truncated else scores.token_count)
    session_llm = case.session_llm
    if conversation.past:
        session_llm = _replayed(case, scores.bundle, conversation.past, eligible) or session_llm
    choice = _choice(case, scores.bundle, scores.values, eligible, conversation.chat_tokens, session_llm)
    candidates = [
        Candidate(r.llm, pool.endpoint(r.llm, query.caller), r.score, r.adjusted_score, _confidence(scores.bundle, r))
        for r in choice.order[: query.max_candidates]
    ]
    done_ns = time.perf_counter_ns()
    return Decision(
        request_id=query.request_id,
        candidates=tuple(candidates),
        reason=_reason(choice, scored),
        reason_detail=choice.detail + (" after cost" if case.cost and choice.rule is Rule.BEST else "") + case.note,
        margin=choice.margin,
        familiarity=scores.familiarity,
        token_count=scores.token_count,
        truncated=scores.truncated or (query.conversation is not None and query.conversation.truncated),
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
        reason_detail=detail + case.note,
        total_ns=time.perf_counter_ns() - case.arrived_ns,
    )


def _reason(choice: Choice, scored: Scored) -> Reason:
    if choice.rule is Rule.STICKY:
        return Reason.STICKY
    if choice.rule is Rule.ABSTAINED:
        return Reason.ABSTAINED
    familiarity = scored.scores.familiarity
    if familiarity is not None and familiarity < UNFAMILIAR_BELOW:
        return Reason.UNFAMILIAR
    return Reason.CACHED if scored.cached else Reason.ROUTED


def _replayed(case: Case, bundle: Bundle, past: Sequence[Past], eligible: frozenset[str]) -> str | None:
    """The LLM that the conversation has had: what the policy chose at each turn from the opener on; None: it is new."""
    llm: str | None = None
    for turn in past:
        llm = _choice(case, bundle, turn.values, eligible, turn.chat_tokens, llm).order[0].llm
    return llm


def _choice(
    case: Case,
    bundle: Bundle,
    values: Sequence[float],
    eligible: frozenset[str],
    chat_tokens: int,
    session_llm: str | None,
) -> Choice:
    """What the policy chooses at a turn of the conversation, from its scores and the tokens that were in the chat."""
    ranked = ranking.rank(bundle.llms, values, eligible, case.cost)
    thresholds = _thresholds(case.pool.thresholds, case.query, chat_tokens)
    return choose(
        ranked,
        thresholds,
        defaults=case.defaults,
        session_llm=session_llm,
        confidence=_confidence(bundle, ranked[0]) if thresholds.min_confidence else None,
    )


def _thresholds(configured: Thresholds, query: RouteQuery, chat_tokens: int) -> Thresholds:
    """The query's own where it has them; to switch the LLM costs more, the more of the chat it has in its cache."""
    if query.min_margin is None and query.min_confidence is None and not chat_tokens:
        return configured
    return replace(
        configured,
        sticky_margin=configured.sticky_margin + configured.switch_cost * chat_tokens / 1000,
        min_margin=configured.min_margin if query.min_margin is None else query.min_margin,
        min_confidence=configured.min_confidence if query.min_confidence is None else query.min_confidence,
    )


def _confidence(bundle: Bundle, ranked: ranking.Ranked) -> float | None:
    calibration = bundle.calibrations.get(ranked.llm)
    return None if calibration is None else confidence(ranked.score, *calibration)
