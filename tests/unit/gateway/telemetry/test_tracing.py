"""Traces of a live gateway, as a collector gets them."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc_pb
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.app import build
from gateway.app.server import serving
from gateway.config import settings
from gateway.errors import TracingMissingError
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.support.fakes.otlp_collector import Collector, otlp_collector
from tests.support.fakes.triton import FakeTriton, fake_triton
from tests.support.gateways.running import write

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with otlp_collector() as collector:
        yield collector


Chosen = Callable[..., settings.Settings]


@pytest.fixture
def chosen(tmp_path: Path, collector: Collector) -> Chosen:
    write(tmp_path / "endpoints.yaml")

    def _chosen(triton: str, **changes: Any) -> settings.Settings:
        flags = {
            "port": 0,
            "ext_proc_port": 0,
            "metrics_port": 0,
            "endpoints_file": tmp_path / "endpoints.yaml",
            "triton_address": triton,
        }
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


def messages(**headers: str) -> list[Any]:
    """What Envoy tells of a request to `auto` with `headers`."""
    told = {":method": "POST", ":path": "/v1/chat/completions", **headers}
    values = [base_pb2.HeaderValue(key=key, raw_value=value.encode()) for key, value in told.items()]
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "a secret prompt"}]}).encode()
    return [
        ext_proc_pb.ProcessingRequest(
            request_headers=ext_proc_pb.HttpHeaders(headers=base_pb2.HeaderMap(headers=values))
        ),
        ext_proc_pb.ProcessingRequest(request_body=ext_proc_pb.HttpBody(body=body, end_of_stream=True)),
    ]


async def process(chosen: settings.Settings, metadata: dict[str, str], headers: dict[str, str]) -> None:
    """Asks a gateway as Envoy does, and stops it, which sends the spans."""
    async with serving(chosen) as ports, aio.insecure_channel(f"127.0.0.1:{ports.ext_proc}") as channel:
        stub: Any = external_processor_pb2_grpc.ExternalProcessorStub(channel)
        answers = [answer async for answer in stub.Process(iter(messages(**headers)), metadata=tuple(metadata.items()))]
        assert answers[-1].request_body.response.body_mutation.body


TRACED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
OTHER = {"traceparent": f"00-{'7' * 32}-{'7' * 16}-01"}


@pytest.mark.parametrize(("metadata", "headers"), [(TRACED, {}), (TRACED, OTHER), ({}, TRACED)])
async def test_a_decision_for_envoy_joins_the_trace_of_its_call_else_of_the_http_request(
    chosen: Chosen, collector: Collector, metadata: dict[str, str], headers: dict[str, str]
) -> None:
    async with fake_triton() as triton:
        await process(chosen(triton.address, trace_share=0), metadata, headers)
    call = collector.named("envoy.service.ext_proc.v3.ExternalProcessor/Process")
    assert (call.trace_id.hex(), call.parent_span_id.hex()) == (TRACE, PARENT)
    children = {span.name for span in collector.spans if span.parent_span_id == call.span_id}
    assert {"score", "policy", "inference.GRPCInferenceService/ModelInfer"} <= children
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert "secret" not in repr(collector.spans)


@pytest.mark.parametrize(("share", "calls"), [(0, 0), (1, 1)])
async def test_of_envoys_requests_without_a_context_the_share_is_traced(
    chosen: Chosen, collector: Collector, share: float, calls: int
) -> None:
    async with fake_triton() as triton:
        await process(chosen(triton.address, trace_share=share), {}, {})
    names = [span.name for span in collector.spans]
    assert names.count("envoy.service.ext_proc.v3.ExternalProcessor/Process") == calls


@pytest.mark.parametrize(
    ("module", "told"), [(None, "extra `tracing`"), (ModuleType("gateway.telemetry.tracing"), "--force-reinstall")]
)
async def test_traces_that_cannot_be_made_are_told_with_what_to_install(
    chosen: Chosen, monkeypatch: pytest.MonkeyPatch, module: ModuleType | None, told: str
) -> None:
    monkeypatch.setitem(sys.modules, "gateway.telemetry.tracing", module)
    async with AsyncExitStack() as stack:
        with pytest.raises(TracingMissingError, match=told):
            build.tracing(chosen("localhost:1"), stack)
