"""A collector of traces, in this process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc


class Collector(otlp_grpc.TraceServiceServicer):
    """Keeps the spans that it gets, by the service that sent them, too."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.services: dict[str, list[Any]] = {}
        self.address = ""

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        for traced in request.resource_spans:
            names = [a.value.string_value for a in traced.resource.attributes if a.key == "service.name"]
            for scope in traced.scope_spans:
                self.spans += scope.spans
                self.services.setdefault(names[-1], []).extend(scope.spans)
        return otlp.ExportTraceServiceResponse()

    @property
    def endpoint(self) -> str:
        return f"http://{self.address}"

    def named(self, name: str) -> Any:
        (span,) = [span for span in self.spans if span.name == name]
        return span


@contextmanager
def otlp_collector() -> Iterator[Collector]:
    """A collector, serving."""
    collector, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    otlp_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    collector.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield collector
    server.stop(None)
