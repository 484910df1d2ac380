"""The use case: a checked query comes in, a decision goes out.

Scores first, then policy. Where there are no scores (the scorer is slow, down, or serves another bundle), the
configured default answers, marked and counted. Knows no protobuf, no gRPC, and of the scorer only its protocol; the
whole way of a query, with what stands before and behind this, is in `gateway/app/query_path.py`.
"""

import asyncio
import time
from collections.abc import Sequence

from gateway.domain.decision import Decision, Reason
from gateway.domain.observer import Observer
from gateway.domain.outcomes import EndpointState
from gateway.domain.query import Report, RouteQuery
from gateway.domain.scorer import Bundle, Scorer
from gateway.domain.turns import in_turns
from gateway.errors import InvalidRequestError, NoRouterError, ScorerError
from gateway.limits.query_budget import QueryBudget
from gateway.policy import capabilities, eligibility, ranking
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing import history
from gateway.routing.case import Case, decide, undecided
from gateway.routing.history import ScoredConversation
from gateway.routing.sessions import Sessions

NO_TEXT = "there is no text to route"


class Router:
    """Decides which LLM answers."""

    def __init__(
        self,
        pool: PoolRef,
        scorer: Scorer,
        budget: QueryBudget,
        observers: Sequence[Observer] = (),
        *,
        sessions: Sessions | None = None,
    ) -> None:
        """The pool's `cost_weight` and `thresholds` hold where a query says nothing.

        Args:
            pool: the pool in use.
            scorer: gives the scores.
            budget: of queries in flight.
            observers: hear of decisions, fallbacks and reports, in this order.
            sessions: which LLM answered each session last.
        """
        self._pool = pool
        self._scorer = scorer
        self._budget = budget
        self._observers = tuple(observers)
        self._decided = tuple(o.decided for o in observers if type(o).decided is not Observer.decided)
        self._sessions = Sessions() if sessions is None else sessions

    @property
    def pool(self) -> Pool:
        """The pool in use."""
        return self._pool.current

    @property
    def bundle(self) -> Bundle:
        """The bundle that the scorer serves."""
        return self._scorer.bundle

    @property
    def bundle_id(self) -> str:
        """Its id."""
        return self.bundle.bundle_id

    async def route(self, query: RouteQuery, deadline: float) -> Decision:
        """Decides for one query, not later than `deadline` (of `time.monotonic()`).

        Raises:
            OverloadedError, NoLlmError, ExcludedError, PriceUnknownError, InvalidRequestError: see errors.py. Never a
                ScorerError.
        """
        self._budget.take(1, query.priority, query.caller)
        try:
            return await self._decide(query, deadline)
        finally:
            self._budget.give_back(1, query.priority, query.caller)

    async def route_many(self, queries: Sequence[RouteQuery], deadline: float) -> list[Decision | Exception]:
        """Decides for many queries of one caller: result i belongs to query i, an error where that one failed alone.

        Raises:
            OverloadedError: there is no room for all of them.
        """
        if not queries:
            return []
        share = (len(queries), queries[0].priority, queries[0].caller)
        self._budget.take(*share)
        try:
            async with asyncio.TaskGroup() as group:
                rows = [group.create_task(self._outcome(query, deadline)) async for query in in_turns(queries)]
            return [row.result() for row in rows]
        finally:
            self._budget.give_back(*share)

    def default(self, query: RouteQuery, detail: str) -> Decision:
        """The LLM that answers `query` where a door cannot ask for a decision; `detail` says why, for people.

        Raises:
            NoLlmError, ExcludedError: see errors.py.
        """
        return self._told(query, undecided(self._case(query, priced=False), Reason.FALLBACK, detail))

    def report(self, report: Report) -> EndpointState:
        """Takes note of how a call to an endpoint ended, and says what is thought of that endpoint now.

        Raises:
            InvalidRequestError: the pool has no such endpoint that the caller may use.
        """
        usable = eligibility.usable(self.pool.names, self.pool.prices, report.rules)
        found = self.pool.find(report.address, report.model, usable)
        if found is None:
            raise InvalidRequestError("endpoint", f"the pool has none at {report.address!r} for {report.model!r}")
        llm, endpoint = found
        ejected_seconds = self.pool.endpoint_health.report(endpoint, report.outcome, report.caller)
        for observer in self._observers:
            observer.reported(report, llm, ejected_seconds)
        return self.pool.endpoint_health.state(endpoint, report.caller)

    async def _decide(self, query: RouteQuery, deadline: float) -> Decision:
        case = self._case(query)
        if len(case.eligible) == 1:
            return self._told(query, undecided(case, Reason.ONLY_ONE, "no other LLM may answer"))
        if not query.text:
            return self._told(query, undecided(case, Reason.FALLBACK, NO_TEXT))
        try:
            if query.conversation is None:  # as it is, so that the scores are those that the model gives for this text
                scored = ScoredConversation(await self._scorer.score(query.text, deadline, query.priority))
            else:
                scored = await history.score(query.conversation, self._scorer, deadline, query.priority)
            decision = decide(case, scored)
        except NoRouterError as error:
            return self._told(query, undecided(case, Reason.NO_ROUTER, error.told))
        except ScorerError as error:
            for observer in self._observers:
                observer.fell_back(query, error)
            return self._told(query, undecided(case, Reason.FALLBACK, error.told))
        if query.session_id:
            self._sessions.remember(query.session_id, decision.candidates[0].llm, query.caller)
        return self._told(query, decision)

    async def _outcome(self, query: RouteQuery, deadline: float) -> Decision | Exception:
        try:
            return await self._decide(query, deadline)
        except Exception as error:
            return error

    def _case(self, query: RouteQuery, *, priced: bool = True) -> Case:
        """What is known of `query` on its arrival; without prices where nothing will be ranked."""
        arrived_ns = time.perf_counter_ns()
        pool = self.pool
        permitted = eligibility.permitted(pool.names, pool.prices, query.rules) if query.rules else pool.names
        permitted = capabilities.able(permitted, pool.capabilities, query.needs)
        eligible = pool.eligible(permitted, query.caller)
        if pool.all_unhealthy(eligible, query.caller):
            for observer in self._observers:
                observer.last_resort(query, eligible)
        weight = pool.cost_weight if query.cost_weight is None else query.cost_weight
        cost = ranking.costs(eligible, weight, pool.prices) if priced and weight else {}
        session_llm = self._sessions.llm(query.session_id, query.caller) if query.session_id else None
        return Case(query, pool, eligible, cost, session_llm, arrived_ns)

    def _told(self, query: RouteQuery, decision: Decision) -> Decision:
        for decided in self._decided:
            decided(query, decision)
        return decision
