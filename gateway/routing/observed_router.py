"""A router whose decisions are told to observers. Does not know what they make of them."""

from collections.abc import Callable, Sequence
from typing import Any

from gateway.domain.decision import Decision
from gateway.domain.query import RouteQuery
from gateway.routing.router import Router

Observer = Callable[[RouteQuery, Decision], None]


class ObservedRouter(Router):
    """Observers are called on the event loop, in the context of the call: they must be quick and must not fail."""

    def __init__(
        self, on_decision: Sequence[Observer], on_single: Sequence[Observer], *parts: Any, **rules: Any
    ) -> None:
        """`on_decision` hear of every decision, `on_single` of those outside of batches; the rest is `Router`'s."""
        super().__init__(*parts, **rules)
        self._on_decision = tuple(on_decision)
        self._on_single = (*on_decision, *on_single)

    async def route(self, query: RouteQuery, deadline: float) -> Decision:
        """See `Router.route`."""
        decision = await super().route(query, deadline)
        for observer in self._on_single:
            observer(query, decision)
        return decision

    async def route_many(self, queries: Sequence[RouteQuery], deadline: float) -> list[Decision | BaseException]:
        """See `Router.route_many`."""
        outcomes = await super().route_many(queries, deadline)
        for query, outcome in zip(queries, outcomes, strict=True):
            if isinstance(outcome, Decision):
                for observer in self._on_decision:
                    observer(query, outcome)
        return outcomes
