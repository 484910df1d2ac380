"""One trace from the client through a real Envoy and the gateway to the LLM, as a collector gets it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.config.groups import Traces
from gateway.telemetry.tracing import Tracing
from tests.e2e.envoy_fixtures import Plane, data_plane
from tests.support.fakes.otlp_collector import Collector, otlp_collector
from tests.support.waiting import until

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PROCESS = "envoy.service.ext_proc.v3.ExternalProcessor/Process"
Traced = tuple[Plane, Collector]


def send_at_once(config: dict[str, Any]) -> None:
    """Envoy sends spans as soon as it has one, not every five seconds."""
    flags = {"tracing.opentelemetry.flush_interval_ms": 50, "tracing.opentelemetry.min_flush_spans": 1}
    config["layered_runtime"] = {"layers": [{"name": "test", "static_layer": flags}]}


@pytest.fixture
async def traced(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Traced]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")  # the gateway sends spans at once, too
    with otlp_collector() as collector:
        tracing = Tracing(Traces(otlp_endpoint=collector.endpoint, trace_share=0))
        flags = ["--otlp", collector.address, "--trace-share", str(getattr(request, "param", 0))]
        try:
            async with data_plane(tmp_path, flags=flags, tracing=tracing, alter=send_at_once) as plane:
                plane.reset()
                yield plane, collector
        finally:
            await tracing.close()


async def ask(plane: Plane, **headers: str) -> None:
    await plane.client.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": "a secret prompt"}],
        extra_headers=headers,
        extra_query={"key": "a-secret-key"},
    )


def decisions(collector: Collector) -> list[Any]:
    """The gateway's spans of ext_proc streams."""
    return [span for span in collector.services.get("routerdc-gateway", []) if span.name == PROCESS]


async def test_client_envoy_gateway_and_llm_share_one_trace(traced: Traced) -> None:
    plane, collector = traced
    await ask(plane, traceparent=f"00-{TRACE}-{PARENT}-01")
    await until(lambda: decisions(collector) and len(collector.services.get("routerdc-envoy", [])) == 3)
    envoy = {span.span_id: span for span in collector.services["routerdc-envoy"]}
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    (ingress,) = [span for span in envoy.values() if span.parent_span_id.hex() == PARENT]
    (decision,) = decisions(collector)
    assert envoy[decision.parent_span_id].parent_span_id == ingress.span_id
    stages = {span.name for span in collector.spans if span.parent_span_id == decision.span_id}
    assert "policy" in stages
    (received,) = [one for llm in plane.llms.values() for one in llm.received]
    headers = {name.lower(): value for name, value in received.headers.items()}
    version, trace_id, span_id, sampled = headers["traceparent"].split("-")
    assert (version, trace_id, sampled) == ("00", TRACE, "01")
    assert envoy[bytes.fromhex(span_id)].parent_span_id == ingress.span_id
    assert json.loads(received.body)["model"] == "beta/model"
    assert "secret" not in repr(collector.spans)


async def test_a_client_that_does_not_want_traces_gets_none(traced: Traced) -> None:
    plane, collector = traced
    await ask(plane, traceparent=f"00-{TRACE}-{PARENT}-00")
    await ask(plane, traceparent=f"00-{'7' * 32}-{PARENT}-01")
    await until(lambda: decisions(collector) and collector.services.get("routerdc-envoy"))
    assert TRACE not in {span.trace_id.hex() for span in collector.spans}


@pytest.mark.parametrize("traced", [1], indirect=True)
async def test_without_a_context_envoy_begins_the_trace_that_the_gateway_joins(traced: Traced) -> None:
    plane, collector = traced
    await ask(plane)
    (received,) = [one for llm in plane.llms.values() for one in llm.received]
    trace_id = {name.lower(): value for name, value in received.headers.items()}["traceparent"].split("-")[1]
    await until(lambda: trace_id in {span.trace_id.hex() for span in decisions(collector)})
    assert len(bytes.fromhex(trace_id)) == 16
