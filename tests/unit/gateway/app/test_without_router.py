"""A gateway that starts before there is a bundle for its LLMs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from grpc import aio

from gateway.app.health import FOLLOWING
from gateway.app.server import serving
from gateway.config import settings
from gateway.domain.scorer import Bundle
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.support.fakes.scorer import BUNDLE
from tests.support.fakes.triton import fake_triton
from tests.support.waiting import until
from tests.unit.gateway.app.test_server import SERVING, health_becomes
from tests.unit.gateway.conftest import endpoints_file

NOBODY = "127.0.0.1:1"


@pytest.fixture
def chosen(tmp_path: Path) -> Any:
    path = tmp_path / "endpoints.yaml"
    path.write_text(yaml.safe_dump(json.loads(endpoints_file().model_dump_json())), encoding="utf-8")

    def _chosen(triton: str) -> settings.Settings:
        flags = {"port": 0, "metrics_port": 0, "endpoints_file": path, "triton_address": triton, "deadline_ms": 5000}
        logs = {"decision_log_file": tmp_path / "decisions.jsonl", "decision_log_queries": True}
        return settings.load(None, flags | logs | {"start_without_router": True, "health_interval_seconds": 0.02})

    return _chosen


async def route(channel: aio.Channel, **fields: Any) -> pb.RouteResponse:
    stub: Any = router_pb2_grpc.RouterStub(channel)
    answer: pb.RouteResponse = await stub.Route(pb.RouteRequest(query="q", **fields), timeout=10)
    return answer


async def test_the_ranked_default_answers_and_the_prompts_are_kept(chosen: Any, tmp_path: Path) -> None:
    async with serving(chosen(NOBODY)) as ports, aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel:
        for service in FOLLOWING:
            await health_becomes(channel, service, SERVING)
        answer = await route(channel, max_candidates=9)
        listed = await router_pb2_grpc.RouterStub(channel).ListLlms(pb.ListLlmsRequest())
        assert (await route(channel, denied_llms=["alpha"])).llm == "gamma"
    assert (answer.reason, [one.llm for one in answer.candidates]) == (pb.REASON_NO_ROUTER, ["alpha", "gamma", "beta"])
    assert (answer.bundle_id, listed.bundle_id, len(listed.llms)) == ("", "", 3)
    first = json.loads((tmp_path / "decisions.jsonl").read_text().splitlines()[0])
    assert (first["question"], first["reason"], first["llm"]) == ("q", "no_router", "alpha")


async def test_routing_begins_with_the_first_bundle_and_its_loss_is_a_fault(chosen: Any) -> None:
    async with (
        fake_triton(ready=False) as triton,
        serving(chosen(triton.address)) as ports,
        aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel,
    ):
        assert (await route(channel)).reason == pb.REASON_NO_ROUTER
        triton.ready = True

        async def is_routed() -> bool:
            answer = await route(channel)
            return (answer.llm, answer.reason, answer.bundle_id) == ("beta", pb.REASON_ROUTED, BUNDLE.bundle_id)

        await until(is_routed)


async def test_a_bundle_for_other_llms_is_no_router_for_these(chosen: Any) -> None:
    async with (
        fake_triton(configured=Bundle("ffff", ("x", "y"))) as triton,
        serving(chosen(triton.address)) as ports,
        aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel,
    ):
        answer = await route(channel)
        assert (answer.llm, answer.reason) == ("alpha", pb.REASON_NO_ROUTER)
        triton.configured = BUNDLE

        async def is_routed() -> bool:
            return (await route(channel)).reason == pb.REASON_ROUTED

        await until(is_routed)
