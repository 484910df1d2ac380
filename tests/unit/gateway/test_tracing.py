"""Traces of a live gateway, as a collector gets them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc

from contract.v1 import router_pb2 as pb
from contract.v1 import router_pb2_grpc
from gateway import settings
from gateway.server import serving
from tests.unit.gateway.fake_triton import FakeTriton, fake_triton
from tests.unit.gateway.test_hot_reload import write

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(otlp_grpc.TraceServiceServicer):
    """Keeps the spans that it gets."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.endpoint = ""

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return otlp.ExportTraceServiceResponse()

    def named(self, name: str) -> Any:
        (span,) = [span for span in self.spans if span.name == name]
        return span


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    otlp_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield collector
    server.stop(None)


Chosen = Callable[..., settings.Settings]


@pytest.fixture
def chosen(tmp_path: Path, collector: Collector) -> Chosen:
    write(tmp_path / "endpoints.yaml")

    def _chosen(triton: str, **changes: Any) -> settings.Settings:
        flags = {"port": 0, "metrics_port": 0, "endpoints_file": tmp_path / "endpoints.yaml", "triton_address": triton}
        return settings.load(None, {**flags, "otlp_endpoint": collector.endpoint, "deadline_ms": 5000, **changes})

    return _chosen


async def ask(chosen: settings.Settings, *calls: tuple[str, str | None]) -> None:
    """Asks a gateway (query, traceparent), and stops it, which sends the spans."""
    async with serving(chosen) as ports, aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel:
        stub: Any = router_pb2_grpc.RouterStub(channel)
        health: Any = health_pb2_grpc.HealthStub(channel)
        await health.Check(health_pb2.HealthCheckRequest())
        for query, traceparent in calls:
            metadata = (("traceparent", traceparent),) if traceparent else ()
            await stub.Route(pb.RouteRequest(query=query, request_id="mine"), metadata=metadata)


async def test_a_traced_call_becomes_a_tree_of_spans_in_the_callers_trace(chosen: Chosen, collector: Collector) -> None:
    async with fake_triton(delay_seconds=0.01) as triton:
        await ask(chosen(triton.address, trace_share=0), ("a secret prompt", f"00-{TRACE}-{PARENT}-01"))
    call = collector.named("routerdc.v1.Router/Route")
    assert (call.trace_id.hex(), call.parent_span_id.hex()) == (TRACE, PARENT)
    children = {span.name for span in collector.spans if span.parent_span_id == call.span_id}
    assert {"score", "policy", "inference.GRPCInferenceService/ModelInfer"} <= children
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    attributes = {a.key: a.value.string_value for a in call.attributes}
    assert (attributes["routerdc.llm"], attributes["routerdc.request_id"]) == ("beta", "mine")
    score = collector.named("score")
    assert score.end_time_unix_nano - score.start_time_unix_nano >= 10_000_000
    assert "secret" not in repr(collector.spans)


async def test_triton_gets_the_trace_context(chosen: Chosen, collector: Collector, monkeypatch: Any) -> None:
    seen: list[str | None] = []
    infer = FakeTriton.ModelInfer

    async def spying(self: FakeTriton, request: Any, context: Any) -> Any:
        seen.append(dict(context.invocation_metadata()).get("traceparent"))
        return await infer(self, request, context)

    monkeypatch.setattr(FakeTriton, "ModelInfer", spying)
    async with fake_triton() as triton:
        await ask(chosen(triton.address, trace_share=0), ("traced", f"00-{TRACE}-{PARENT}-01"), ("not traced", None))
    span_id = collector.named("inference.GRPCInferenceService/ModelInfer").span_id.hex()
    assert seen == [f"00-{TRACE}-{span_id}-01", None]


@pytest.mark.parametrize(("share", "calls"), [(0, 0), (1, 1)])
async def test_without_a_context_the_share_decides(
    chosen: Chosen, collector: Collector, share: float, calls: int
) -> None:
    async with fake_triton() as triton:
        await ask(chosen(triton.address, trace_share=share), ("q", None))
    assert [span.name for span in collector.spans].count("routerdc.v1.Router/Route") == calls
    assert not [span for span in collector.spans if "Health" in span.name]


async def test_a_caller_that_does_not_want_traces_gets_none(chosen: Chosen, collector: Collector) -> None:
    async with fake_triton() as triton:
        await ask(chosen(triton.address, trace_share=1), ("q", f"00-{TRACE}-{PARENT}-00"))
    assert collector.spans == []
