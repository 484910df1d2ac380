"""API keys on a live gateway."""

from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.rpc import error_details_pb2
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from gateway.app.server import serving
from gateway.config import settings
from gateway.errors import CallersError
from routerdc_client import AsyncRouterClient, RouteError, route_request
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.support.fakes.triton import fake_triton
from tests.support.gateways.running import write
from tests.support.waiting import until

KEY = "secret-of-the-team"


def write_keys(folder: Path, key: str = KEY, **rules: Any) -> None:
    content = {"keys": [{"name": "team", "sha256": sha256(key.encode()).hexdigest(), **rules}]}
    (folder / "keys.yaml").write_text(yaml.safe_dump(content))


@pytest.fixture
def chosen(tmp_path: Path) -> Callable[..., settings.Settings]:
    write(tmp_path / "endpoints.yaml")
    write_keys(tmp_path)

    def _chosen(triton: str) -> settings.Settings:
        files = {"endpoints_file": tmp_path / "endpoints.yaml", "api_keys_file": tmp_path / "keys.yaml"}
        flags = {"port": 0, "metrics_port": 0, "triton_address": triton, "deadline_ms": 5000}
        return settings.load(None, {**flags, **files, "reload_interval_seconds": 0.02})

    return _chosen


@pytest.fixture
async def address(chosen: Callable[..., settings.Settings]) -> AsyncIterator[str]:
    async with fake_triton() as triton, serving(chosen(triton.address)) as ports:
        yield f"127.0.0.1:{ports.grpc}"


async def code_of(address: str, api_key: str | None, **options: Any) -> str:
    async with AsyncRouterClient(address, api_key=api_key) as router:
        try:
            return (await router.route("q", deadline_ms=2000, **options)).llm
        except RouteError as error:
            return error.code.name


async def test_calls_of_every_kind_need_the_key(address: str) -> None:
    async def requests() -> AsyncIterator[pb.RouteRequest]:
        yield route_request("q", request_id="1")

    async with AsyncRouterClient(address, api_key=KEY) as router:
        assert (await router.route("q")).llm == "beta"
        assert (await router.route_batch([route_request("q")]))[0].response.llm == "beta"
        assert [result.response.llm async for result in router.route_stream(requests())] == ["beta"]
        assert (await router.list_llms()).default_llm == "alpha"
    for wrong in (None, "guess"):
        async with AsyncRouterClient(address, api_key=wrong) as router:
            calls = (router.route("q"), router.route_batch([]), anext(router.route_stream(requests())))
            for call in (*calls, router.list_llms()):
                with pytest.raises(RouteError) as error:
                    await call
                assert error.value.code is grpc.StatusCode.UNAUTHENTICATED


async def test_health_is_open_and_reflection_is_not(address: str) -> None:
    async with aio.insecure_channel(address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        stub: Any = reflection_pb2_grpc.ServerReflectionStub
        call = stub(channel).ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        assert await call.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_rules_of_the_key_hold_besides_the_requests_own(address: str, tmp_path: Path) -> None:
    write_keys(tmp_path, allowed=["alpha", "gamma"])

    async def is_reloaded() -> bool:
        return await code_of(address, KEY) == "alpha"

    await until(is_reloaded)
    assert await code_of(address, KEY, allowed_llms=["gamma", "beta"]) == "gamma"
    assert await code_of(address, KEY, allowed_llms=["beta"]) == "PERMISSION_DENIED"


async def test_a_row_that_wants_a_forbidden_llm_fails_alone(address: str, tmp_path: Path) -> None:
    write_keys(tmp_path, denied=["beta"])
    await until(lambda: code_is(address, "alpha"))
    async with AsyncRouterClient(address, api_key=KEY) as router:
        rows = await router.route_batch([route_request("q", allowed_llms=["beta"]), route_request("q")])
    assert (rows[0].error.code, rows[1].response.llm) == (grpc.StatusCode.PERMISSION_DENIED.value[0], "alpha")


async def code_is(address: str, expected: str) -> bool:
    return await code_of(address, KEY) == expected


async def test_a_withdrawn_key_ends_within_a_look(address: str, tmp_path: Path) -> None:
    assert await code_of(address, KEY) == "beta"
    write_keys(tmp_path, "another key")
    await until(lambda: code_is(address, "UNAUTHENTICATED"))
    assert await code_of(address, "another key") == "beta"


async def test_over_the_rate_calls_are_refused_and_told_when_to_come_back(
    chosen: Callable[..., settings.Settings], tmp_path: Path
) -> None:
    write_keys(tmp_path, queries_per_second=0.5, burst=3)
    metadata = (("authorization", f"Bearer {KEY}"),)
    async with (
        fake_triton() as triton,
        serving(chosen(triton.address)) as ports,
        aio.insecure_channel(f"127.0.0.1:{ports.grpc}") as channel,
    ):
        stub: Any = router_pb2_grpc.RouterStub(channel)
        batch = pb.RouteBatchRequest(requests=[route_request("a"), route_request("b")])
        assert len((await stub.RouteBatch(batch, metadata=metadata)).results) == 2
        assert (await stub.Route(route_request("c"), metadata=metadata)).llm == "beta"
        with pytest.raises(aio.AioRpcError) as refused:
            await stub.Route(route_request("d"), metadata=metadata)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status: Any = rpc_status.from_call(refused.value)  # type: ignore[arg-type]
    info = error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert 1000 < info.retry_delay.ToMilliseconds() <= 2000


async def test_keys_are_neither_logged_nor_in_metrics(
    chosen: Callable[..., settings.Settings], events: list[Any]
) -> None:
    async with fake_triton() as triton, serving(chosen(triton.address)) as ports:
        address = f"127.0.0.1:{ports.grpc}"
        for key in (KEY, "guess"):
            await code_of(address, key)
    assert events
    assert not [word for word in (KEY, "guess", sha256(KEY.encode()).hexdigest()) if word in repr(events)]


async def test_a_key_that_names_an_unknown_llm_keeps_it_from_starting(
    chosen: Callable[..., settings.Settings], tmp_path: Path
) -> None:
    write_keys(tmp_path, denied=["omega"])
    with pytest.raises(CallersError, match="omega"):
        async with serving(chosen("127.0.0.1:1")):
            pass


async def test_a_key_sees_and_reports_on_nothing_but_what_it_may_use(address: str, tmp_path: Path) -> None:
    write_keys(tmp_path, allowed=["alpha", "gamma"])
    await until(lambda: code_is(address, "alpha"))
    beta = pb.Endpoint(address="http://beta.test/v1", model="beta-model")
    async with AsyncRouterClient(address, api_key=KEY) as router:
        listed = await router.list_llms()
        with pytest.raises(RouteError) as error:
            await router.report_outcome(beta, pb.OUTCOME_ERROR)
    assert ([llm.name for llm in listed.llms], listed.default_llm) == (["alpha", "gamma"], "alpha")
    assert error.value.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_reports_count_against_the_rate_and_eject_for_the_one_who_reports(address: str, tmp_path: Path) -> None:
    digests = [{"name": name, "sha256": sha256(name.encode()).hexdigest()} for name in ("hostile", "other")]
    (tmp_path / "keys.yaml").write_text(
        yaml.safe_dump({"keys": [digests[0] | {"queries_per_second": 0.01, "burst": 7}, digests[1]]})
    )

    async def is_reloaded() -> bool:
        async with AsyncRouterClient(address, api_key="other") as router:
            try:
                return bool((await router.list_llms()).llms)
            except RouteError:
                return False

    await until(is_reloaded)
    beta = pb.Endpoint(address="http://beta.test/v1", model="beta-model")
    async with AsyncRouterClient(address, api_key="hostile") as router:
        states = [(await router.report_outcome(beta, pb.OUTCOME_ERROR)) for _ in range(5)]
        chosen_for_hostile = (await router.route("q")).llm
        await router.report_outcome(beta, pb.OUTCOME_ERROR)
    async with aio.insecure_channel(address, [("grpc.enable_retries", 0)]) as channel:
        stub: Any = router_pb2_grpc.RouterStub(channel)
        report = pb.ReportOutcomeRequest(endpoint=beta, outcome=pb.OUTCOME_ERROR)
        with pytest.raises(aio.AioRpcError) as error:
            await stub.ReportOutcome(report, metadata=(("authorization", "Bearer hostile"),))
    assert states[-1] == pb.ENDPOINT_STATE_EJECTED
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    async with AsyncRouterClient(address, api_key="other") as router:
        assert (chosen_for_hostile, (await router.route("q")).llm) == ("alpha", "beta")
