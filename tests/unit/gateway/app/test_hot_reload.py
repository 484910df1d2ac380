"""endpoints.yaml changes under a gateway that is answering."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from grpc import aio

from gateway.app.server import serving
from gateway.config import settings
from gateway.domain.scorer import Bundle
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.support.fakes.scorer import BUNDLE
from tests.support.fakes.triton import fake_triton
from tests.support.gateways.running import write
from tests.support.waiting import until


@pytest.fixture
def chosen(tmp_path: Path) -> Any:
    write(tmp_path / "endpoints.yaml")

    def _chosen(triton: str) -> settings.Settings:
        flags = {"port": 0, "metrics_port": 0, "endpoints_file": tmp_path / "endpoints.yaml", "triton_address": triton}
        intervals = {"health_interval_seconds": 0.02, "reload_interval_seconds": 0.02}
        return settings.load(None, flags | intervals | {"deadline_ms": 10_000})

    return _chosen


async def test_no_call_fails_while_endpoints_change_under_load(chosen: Any, tmp_path: Path) -> None:
    seen: list[str] = []
    done = asyncio.Event()

    async def ask(stub: Any, name: str) -> None:
        i = 0
        while not done.is_set():
            response = await stub.Route(pb.RouteRequest(query=f"{name} {(i := i + 1)}"))
            assert (response.llm, response.reason) == ("beta", pb.REASON_ROUTED)
            if response.endpoint.address not in seen:
                seen.append(response.endpoint.address)

    addresses = [f"http://beta-{i}.test/v1" for i in range(5)]
    async with (
        fake_triton(delay_seconds=0.002) as triton,
        serving(chosen(triton.address)) as ports,
        aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel,
        asyncio.TaskGroup() as group,
    ):
        for caller in range(16):
            group.create_task(ask(router_pb2_grpc.RouterStub(channel), str(caller)))
        for address in addresses:
            write(tmp_path / "endpoints.yaml", beta=address)
            await until(lambda address=address: address in seen)  # type: ignore[misc]
        done.set()
    assert seen == ["http://beta.test/v1", *addresses] or seen == addresses


@pytest.mark.parametrize("joins", [True, False], ids=["joins", "leaves"])
async def test_no_query_gets_a_default_while_an_llm_joins_or_leaves(chosen: Any, tmp_path: Path, joins: bool) -> None:
    """File before bundle where it joins, bundle before file where it leaves."""
    larger = Bundle("3333333333333333", (*BUNDLE.llms, "delta"))
    before, after = (BUNDLE, larger) if joins else (larger, BUNDLE)
    if not joins:
        write(tmp_path / "endpoints.yaml", delta="http://delta.test/v1")
    async with fake_triton() as triton:
        triton.configured = before
        async with serving(chosen(triton.address)) as ports, aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel:
            stub: Any = router_pb2_grpc.RouterStub(channel)
            bundles: list[str] = []

            async def route() -> None:
                response = await stub.Route(pb.RouteRequest(query=f"query {len(bundles)}", max_candidates=9))
                known = {BUNDLE.bundle_id: BUNDLE.llms, larger.bundle_id: larger.llms}[response.bundle_id]
                assert response.reason == pb.REASON_ROUTED
                assert {candidate.llm for candidate in response.candidates} == set(known)
                bundles.append(response.bundle_id)

            async def routed_for_a_while() -> None:
                for _ in range(20):
                    await route()
                    await asyncio.sleep(0.005)

            async def change_file() -> None:
                write(tmp_path / "endpoints.yaml", **({"delta": "http://delta.test/v1"} if joins else {}))
                await routed_for_a_while()

            await route()
            if joins:
                await change_file()
            triton.configured = after
            await routed_for_a_while()
            if not joins:
                await change_file()
            names = {llm.name for llm in (await stub.ListLlms(pb.ListLlmsRequest())).llms}
    assert names == set(after.llms)
    assert (bundles[0], bundles[-1]) == (before.bundle_id, after.bundle_id)


async def test_what_is_known_about_endpoints_outlives_a_change_of_the_others(chosen: Any, tmp_path: Path) -> None:
    beta = pb.Endpoint(address="http://beta.test/v1", model="beta-model")
    async with (
        fake_triton() as triton,
        serving(chosen(triton.address)) as ports,
        aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel,
    ):
        stub: Any = router_pb2_grpc.RouterStub(channel)
        for _ in range(5):
            await stub.ReportOutcome(pb.ReportOutcomeRequest(endpoint=beta, outcome=pb.OUTCOME_ERROR))
        write(tmp_path / "endpoints.yaml", alpha="http://new.test/v1")

        async def changed() -> bool:
            return bool(
                (await stub.ListLlms(pb.ListLlmsRequest())).llms[0].endpoints[0].address == "http://new.test/v1"
            )

        await until(changed)
        statuses = {
            llm.name: llm.endpoint_statuses[0].state for llm in (await stub.ListLlms(pb.ListLlmsRequest())).llms
        }
        assert (statuses["alpha"], statuses["beta"]) == (pb.ENDPOINT_STATE_HEALTHY, pb.ENDPOINT_STATE_EJECTED)
        assert (await stub.Route(pb.RouteRequest(query="q"))).llm != "beta"
