"""OpenTelemetry traces over OTLP: one span for each call, its stages below it, and one for each request to Triton.

The W3C trace context (`traceparent`) comes in with the call's metadata, from callers and from Envoy, and goes on to
Triton. A proxy that traces nothing sends none: then that of the HTTP request that it asks about counts. Spans hold no
text of queries. Imported only where traces are configured: it needs the extra `tracing`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.config.groups import Traces
from gateway.domain.decision import Decision
from gateway.domain.observer import Observer
from gateway.domain.query import Priority, RouteQuery
from routerdc_contract.services import EXTERNAL_PROCESSOR

_NAME = "routerdc-gateway"
_EXPORT_SECONDS = 2  # with all its retries; a collector that is away also holds up the end of the process
_EXT_PROC_METHOD = f"/{EXTERNAL_PROCESSOR}/Process"
_propagator = TraceContextTextMapPropagator()


class Tracing(Observer):
    """Makes spans and sends them, in a thread of its own, to a collector."""

    def __init__(self, traces: Traces) -> None:
        """Connects lazily; a collector that is away costs spans, not calls."""
        resource = Resource.create({SERVICE_NAME: _NAME, SERVICE_VERSION: version("routerdc-triton")})
        self._provider = TracerProvider(resource=resource, sampler=ParentBasedTraceIdRatio(traces.trace_share))
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=traces.otlp_endpoint, timeout=_EXPORT_SECONDS))
        )
        self._tracer = self._provider.get_tracer(_NAME)
        self.server_interceptor = _ServerSpans(self._tracer)
        self.client_interceptor = _ClientSpans(self._tracer)

    async def close(self) -> None:
        """Sends what there is, and stops."""
        await asyncio.to_thread(self._provider.shutdown)

    def requested(self, headers: Mapping[str, str]) -> None:
        """Begins the span of an ext_proc stream that came without a trace context: the HTTP request's headers hold it.

        Args:
            headers: of the HTTP request, names in lower case.
        """
        if not _is_traced(context.get_current()):
            self.server_interceptor.begin(_EXT_PROC_METHOD, _propagator.extract(headers))

    def decided(self, query: RouteQuery, decision: Decision) -> None:
        """Adds what was decided to the span of the call, and its stages below it; rows of a batch share one span."""
        span = trace.get_current_span()
        if query.priority is Priority.BATCH or not span.is_recording():
            return
        span.set_attributes(_attributes(decision))
        end_ns = time.time_ns()
        stages = (("policy", decision.policy_ns), ("score", decision.score_ns), ("queue", decision.queue_ns))
        for name, duration_ns in stages:
            if duration_ns:
                start_ns = end_ns - duration_ns
                self._tracer.start_span(name, start_time=start_ns).end(end_ns)
                end_ns = start_ns


class _ServerSpans(aio.ServerInterceptor):
    """A span for each call but health checks. Interceptor and handler run in one task, whose end is the call's."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """Begins the call's span, where there is one, and passes the call on."""
        method = str(details.method)
        if not method.startswith(f"/{HEALTH_SERVICE}/"):
            headers = {key: value for key, value in details.invocation_metadata or () if isinstance(value, str)}
            parent = _propagator.extract(headers)
            if method != _EXT_PROC_METHOD or _is_traced(parent):
                self.begin(method, parent)
        return await continuation(details)

    def begin(self, method: str, parent: Context) -> None:
        """Begins the span of the call that the current task is; it ends with the task."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - every call is one
        span = self._tracer.start_span(method[1:], parent, SpanKind.SERVER)
        context.attach(trace.set_span_in_context(span))
        task.add_done_callback(lambda _: span.end())


class _ClientSpans(aio.UnaryUnaryClientInterceptor):
    """A span for each request to Triton that some call waits for; Triton gets its context."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    async def intercept_unary_unary(self, continuation: Any, details: aio.ClientCallDetails, request: Any) -> Any:
        """Sends the request inside a span of its own, with that span's context."""
        if not trace.get_current_span().is_recording():
            return await continuation(details, request)
        method = details.method.decode() if isinstance(details.method, bytes) else str(details.method)
        with self._tracer.start_as_current_span(method[1:], kind=SpanKind.CLIENT) as span:
            headers: dict[str, str] = {}
            _propagator.inject(headers)
            metadata = aio.Metadata(*(details.metadata or ()), *headers.items())
            traced = aio.ClientCallDetails(
                details.method, details.timeout, metadata, details.credentials, details.wait_for_ready
            )
            call = await continuation(traced, request)
            if (code := await call.code()) is not grpc.StatusCode.OK:
                span.set_status(StatusCode.ERROR, code.name)
            return call


def _is_traced(of: Context) -> bool:
    """Whether there is a trace context, be it one that says not to record."""
    return trace.get_current_span(of).get_span_context().is_valid


def _attributes(decision: Decision) -> dict[str, str | int | bool]:
    return {
        "routerdc.request_id": decision.request_id,
        "routerdc.llm": decision.candidates[0].llm,
        "routerdc.reason": decision.reason.value,
        "routerdc.bundle_id": decision.bundle_id,
        "routerdc.token_count": decision.token_count,
        "routerdc.truncated": decision.truncated,
    }
