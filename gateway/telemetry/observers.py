"""What metrics and the log make of the router's events."""

import logging
from collections.abc import Collection
from typing import Any

import structlog

from gateway.domain.decision import Decision
from gateway.domain.observer import Observer
from gateway.domain.query import Report, RouteQuery
from gateway.errors import ScorerError
from gateway.telemetry.logs import Throttled
from gateway.telemetry.metrics import Metrics


class MetricsObserver(Observer):
    """Counts in `metrics`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def decided(self, query: RouteQuery, decision: Decision) -> None:
        """See `Observer.decided`."""
        self._metrics.decision(decision)

    def fell_back(self, query: RouteQuery, error: ScorerError) -> None:
        """See `Observer.fell_back`."""
        self._metrics.fallback(error.cause)

    def last_resort(self, query: RouteQuery, llms: Collection[str]) -> None:
        """See `Observer.last_resort`."""
        self._metrics.endpoints.last_resort()

    def reported(self, report: Report, llm: str, ejected_seconds: float | None) -> None:
        """See `Observer.reported`."""
        self._metrics.endpoints.outcome(llm, report.outcome, report.latency_seconds)
        if ejected_seconds is not None:
            self._metrics.endpoints.ejection(llm)


class LogObserver(Observer):
    """Logs decisions at level debug, and what an operator should know as throttled warnings. Never logs a text."""

    def __init__(self) -> None:
        self._log: Any = structlog.get_logger("gateway.routing.router").bind()  # set up once, not for each line
        self._tells_decisions = self._log.is_enabled_for(logging.DEBUG)
        self._warn = Throttled(self._log, "fallback")
        self._warn_of_last_resort = Throttled(self._log, "last_resort")

    def decided(self, query: RouteQuery, decision: Decision) -> None:
        """See `Observer.decided`."""
        if not self._tells_decisions:
            return
        self._log.debug(
            "decided",
            request_id=decision.request_id,
            llm=decision.candidates[0].llm,
            reason=decision.reason,
            ms=decision.total_ns / 1e6,
            token_count=decision.token_count,
        )

    def fell_back(self, query: RouteQuery, error: ScorerError) -> None:
        """See `Observer.fell_back`."""
        self._warn(error.cause, request_id=query.request_id, error=str(error))

    def last_resort(self, query: RouteQuery, llms: Collection[str]) -> None:
        """See `Observer.last_resort`."""
        self._warn_of_last_resort("unhealthy", request_id=query.request_id, llms=sorted(llms))

    def reported(self, report: Report, llm: str, ejected_seconds: float | None) -> None:
        """See `Observer.reported`."""
        if ejected_seconds is not None:
            self._log.warning("endpoint ejected", llm=llm, address=report.address, seconds=ejected_seconds)
