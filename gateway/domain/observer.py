"""Observers of the router: metrics, logs, traces and the decision log hear what happens and change nothing."""

from collections.abc import Collection

from gateway.domain.decision import Decision
from gateway.domain.query import Report, RouteQuery
from gateway.errors import ScorerError


class Observer:
    """Hears of everything and does nothing; subclasses override what they need.

    Methods are called on the event loop and in the context of the call: they must be quick and must not raise.
    """

    def decided(self, query: RouteQuery, decision: Decision) -> None:
        """`query` was decided."""

    def fell_back(self, query: RouteQuery, error: ScorerError) -> None:
        """There are no scores for `query`; the default LLM is about to answer."""

    def last_resort(self, query: RouteQuery, llms: Collection[str]) -> None:
        """Every LLM that may answer `query` is unhealthy, so that `llms` are given out nevertheless."""

    def reported(self, report: Report, llm: str, ejected_seconds: float | None) -> None:
        """A caller reported a call to an endpoint of `llm`, which ejects the endpoint for so long (None: not)."""
