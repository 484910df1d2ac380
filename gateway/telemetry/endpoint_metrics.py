"""Prometheus metrics of the LLMs' endpoints.

Labels are LLM names of endpoints.yaml, outcomes and states: never an address.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gateway.config.endpoints_file import Endpoint
from gateway.domain.outcomes import CallOutcome, EndpointState

_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0)

States = Callable[[], Iterable[tuple[str, Endpoint, EndpointState]]]


class EndpointMetrics(Collector):
    """What is reported about endpoints, and the states that this led to."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._states: States = tuple
        registry.register(self)
        self._outcomes = Counter(
            "routerdc_endpoint_outcomes", "Reported calls to endpoints", ["llm", "outcome"], registry=registry
        )
        self._latency = Histogram(
            "routerdc_endpoint_latency_seconds",
            "Reported time of calls to endpoints",
            ["llm"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._ejections = Counter(
            "routerdc_endpoint_ejections", "Endpoints ejected after failures", ["llm"], registry=registry
        )
        self._last_resorts = Counter(
            "routerdc_last_resorts", "Queries that got an unhealthy LLM, for want of another", registry=registry
        )

    def watch(self, states: States) -> None:
        """Where to read the endpoints' states when they are scraped."""
        self._states = states

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """`routerdc_endpoints`, counted at each scrape."""
        family = GaugeMetricFamily("routerdc_endpoints", "Endpoints by state", labels=["llm", "state"])
        tally = Tally((llm, state) for llm, _, state in self._states())
        for llm in dict.fromkeys(llm for llm, _ in tally):
            for state in EndpointState:
                family.add_metric([llm, state.value], tally[llm, state])
        yield family

    def outcome(self, llm: str, outcome: CallOutcome, latency_seconds: float | None) -> None:
        """The end of a call to an endpoint of `llm` was reported."""
        self._outcomes.labels(llm, outcome.value).inc()
        if latency_seconds is not None:
            self._latency.labels(llm).observe(latency_seconds)

    def ejection(self, llm: str) -> None:
        """An endpoint of `llm` was ejected."""
        self._ejections.labels(llm).inc()

    def last_resort(self) -> None:
        """A query got an LLM whose endpoints are all ejected or down."""
        self._last_resorts.inc()
