"""Prometheus metrics of the gateway, in a registry of their own.

Labels are bounded: LLM names come from endpoints.yaml, reasons, causes, codes and stages from enumerations. Knows no
gRPC; a part that has something to count calls a method here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.domain.decision import Decision
from gateway.domain.outcomes import ShadowOutcome
from gateway.telemetry.endpoint_metrics import EndpointMetrics
from gateway.telemetry.unlocked_metrics import UnlockedCounter, UnlockedHistogram

_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Every metric of the gateway; `registry` is what is exposed. The cache counts its hits and misses itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.endpoints = EndpointMetrics(self.registry)
        here: dict[str, Any] = {"registry": self.registry}
        self._requests = UnlockedCounter("routerdc_requests", "Queries decided", ["llm", "reason"], **here)
        self._errors = UnlockedCounter("routerdc_errors", "Queries answered with an error", ["code"], **here)
        self._fallbacks = UnlockedCounter("routerdc_fallbacks", "Queries decided without scores", ["cause"], **here)
        self._openai = UnlockedCounter(
            "routerdc_openai_requests", "OpenAI requests sent on to an LLM, routed or not", ["llm", "reason"], **here
        )
        self._openai_refused = UnlockedCounter(
            "routerdc_openai_refused", "OpenAI requests answered with an error", ["status"], **here
        )
        stages = UnlockedHistogram(
            "routerdc_stage_seconds", "Time of a decided query, by stage", ["stage"], _SECONDS, **here
        )
        self._total, self._queue, self._score = map(stages.of, ("total", "queue", "score"))
        self._in_flight = Gauge("routerdc_in_flight", "Queries in flight in the gateway", **here)
        batch_size = UnlockedHistogram(
            "routerdc_triton_batch_size", "Queries in one request to Triton", [], _BATCH_SIZES, **here
        )
        self._batch_size = batch_size.of()
        self._tritons = Gauge("routerdc_tritons", "Tritons by state", ["state"], **here)
        self._triton_retries = Counter("routerdc_triton_retries", "Batches sent again after a failure", **here)
        lookups = UnlockedCounter("routerdc_cache_lookups", "Lookups in the score cache", ["outcome"], **here)
        self.cache_hits, self.cache_misses = lookups.of("hit"), lookups.of("miss")
        self._cache_entries = Gauge("routerdc_cache_entries", "Entries in the score cache", **here)
        self._ready = Gauge("routerdc_ready", "1 while Triton is ready and serves the pool's bundle", **here)
        self._bundle = Gauge("routerdc_bundle_info", "1 for the bundle that Triton serves", ["bundle_id"], **here)
        self._callers = UnlockedCounter(
            "routerdc_caller_queries", "Queries asked with an API key", ["caller", "outcome"], **here
        )
        self._log_dropped = Counter(
            "routerdc_decision_log_dropped", "Decisions that are missing in the decision log", ["cause"], **here
        )
        self._shadow = UnlockedCounter("routerdc_shadow_queries", "Queries for the shadow bundle", ["outcome"], **here)
        self._reloads = Counter("routerdc_reloads", "Changed files read again", ["file", "outcome"], **here)
        self._reload_ok = Gauge(
            "routerdc_last_reload_successful", "1 while what the file says is in use", ["file"], **here
        )

    def watch(self, in_flight: Callable[[], float]) -> None:
        """Where to read the queries in flight when that is scraped."""
        self._in_flight.set_function(in_flight)

    def watch_cache(self, entries: Callable[[], float]) -> None:
        """Where to read the number of cached scores when that is scraped."""
        self._cache_entries.set_function(entries)

    def decision(self, decision: Decision) -> None:
        """A query was decided."""
        self._requests.of(decision.candidates[0].llm, decision.reason).count += 1
        self._total.observe(decision.total_ns / 1e9)
        if decision.score_ns:
            self._queue.observe(decision.queue_ns / 1e9)
            self._score.observe(decision.score_ns / 1e9)

    def error(self, code: str) -> None:
        """A query was answered with an error."""
        self._errors.of(code).count += 1

    def fallback(self, cause: str) -> None:
        """A query got the default LLM; `cause` is the scorer error's."""
        self._fallbacks.of(cause).count += 1

    def openai(self, llm: str, reason: str) -> None:
        """A request that came through Envoy goes to `llm`."""
        self._openai.of(llm, reason).count += 1

    def openai_refused(self, status: int) -> None:
        """A request that came through Envoy is answered with the HTTP error `status`."""
        self._openai_refused.of(str(status)).count += 1

    def batch(self, size: int) -> None:
        """A request with `size` queries went to Triton."""
        self._batch_size.observe(size)

    def watch_tritons(self, counts: Mapping[str, Callable[[], float]]) -> None:
        """Where to read how many Tritons are in each state, when that is scraped."""
        for state, count in counts.items():
            self._tritons.labels(state).set_function(count)

    def triton_retry(self) -> None:
        """A batch that one Triton failed at went to another."""
        self._triton_retries.inc()

    def readiness(self, ready: bool, bundle_id: str | None) -> None:
        """Triton was probed; `bundle_id` None where it did not say."""
        self._ready.set(ready)
        if bundle_id is not None:
            self._bundle.clear()
            self._bundle.labels(bundle_id).set(1)

    def caller(self, name: str, queries: int, limited: bool) -> None:
        """The holder of an API key asked `queries`; they are refused where its limit is reached."""
        self._callers.of(name, "limited" if limited else "admitted").count += queries

    def decision_log_dropped(self, cause: str, lines: int) -> None:
        """Decisions that are not in the decision log."""
        self._log_dropped.labels(cause).inc(lines)

    def shadow(self, outcome: ShadowOutcome) -> None:
        """A query that was meant for the shadow."""
        self._shadow.of(outcome.value).count += 1

    def watched(self, file: str) -> None:
        """`file` is in use and will be read again when it changes."""
        self._reload_ok.labels(file).set(1)

    def reload(self, file: str, ok: bool) -> None:
        """`file` was read again; its content was taken, or refused."""
        self._reloads.labels(file, "ok" if ok else "refused").inc()
        self._reload_ok.labels(file).set(ok)
