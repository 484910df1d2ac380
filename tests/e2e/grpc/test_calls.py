"""Every RPC through Envoy: what comes, comes as it was sent, and what ends ends on both sides."""

import asyncio
import gzip
from collections.abc import AsyncIterator
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

from routerdc_client import AsyncRouterClient, RouteError, RouterClient, route_request
from routerdc_contract.services import ROUTER
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.e2e.grpc.conftest import StartPlane
from tests.e2e.grpc.plane import MIB
from tests.support.waiting import until

KEY = "sk-of-the-tests"


def keys_file(folder: Path, **rules: Any) -> Path:
    path = folder / "keys.yaml"
    path.write_text(yaml.safe_dump({"keys": [{"name": "team", "sha256": sha256(KEY.encode()).hexdigest(), **rules}]}))
    return path


async def test_both_clients_call_every_rpc(start_plane: StartPlane) -> None:
    plane = await start_plane()

    def synchronously() -> list[str]:
        with RouterClient(plane.address) as client:
            decision = client.route("q", request_id="r1")
            assert decision.request_id == "r1"
            client.report_outcome(decision.endpoint, pb.OUTCOME_OK)
            batch = client.route_batch([route_request("a"), route_request("b")])
            streamed = list(client.route_stream(iter([route_request("c", request_id="s")])))
            listed = [llm.name for llm in client.list_llms().llms]
            return [decision.llm, *(one.response.llm for one in (*batch, *streamed)), *listed]

    async def requests() -> AsyncIterator[pb.RouteRequest]:
        yield route_request("c", request_id="s")

    expected = ["beta"] * 4 + ["alpha", "beta", "gamma"]
    assert await asyncio.to_thread(synchronously) == expected
    async with AsyncRouterClient(plane.address) as client:
        decision = await client.route("q")
        await client.report_outcome(decision.endpoint, pb.OUTCOME_OK)
        batch = await client.route_batch([route_request("a"), route_request("b")])
        streamed = [one async for one in client.route_stream(requests())]
        listed = [llm.name for llm in (await client.list_llms()).llms]
        assert [decision.llm, *(one.response.llm for one in (*batch, *streamed)), *listed] == expected
    async with aio.insecure_channel(plane.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest(service=ROUTER))
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        reflected = stub.ServerReflectionInfo(iter([asked]))
        assert ROUTER in [one.name for one in (await reflected.read()).list_services_response.service]


async def test_errors_arrive_with_their_details_and_metadata(start_plane: StartPlane) -> None:
    plane = await start_plane()
    async with aio.insecure_channel(plane.address) as channel:
        with pytest.raises(aio.AioRpcError) as refused:
            await router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="q", allowed_llms=["nobody"]))
        async with aio.insecure_channel(plane.gateway.address) as direct:
            with pytest.raises(aio.AioRpcError) as expected:
                await router_pb2_grpc.RouterStub(direct).Route(pb.RouteRequest(query="q", allowed_llms=["nobody"]))
    assert (refused.value.code(), refused.value.details()) == (expected.value.code(), expected.value.details())
    got, given = (set(error.value.trailing_metadata()) for error in (refused, expected))
    assert given <= got
    status = rpc_status.from_call(refused.value)  # type: ignore[arg-type]
    bad = error_details_pb2.BadRequest()
    assert status is not None
    assert status.details[0].Unpack(bad)
    assert [violation.field for violation in bad.field_violations] == ["allowed_llms"]


async def test_a_deadline_and_a_cancellation_reach_the_gateway(start_plane: StartPlane) -> None:
    plane = await start_plane(deadline_ms=60_000, deadline_reserve_ms=2000)
    plane.triton.delay_seconds = 30
    async with aio.insecure_channel(plane.address) as channel:
        stub: Any = router_pb2_grpc.RouterStub(channel)
        # The gateway answers with a fallback shortly before the caller's deadline: it has heard of it.
        answer = await stub.Route(pb.RouteRequest(query="soon"), timeout=3)
        assert answer.reason == pb.REASON_FALLBACK
        cancelled, asked = plane.triton.cancelled, len(plane.triton.requests)
        call = stub.Route(pb.RouteRequest(query="given up"), timeout=60)
        await until(lambda: len(plane.triton.requests) > asked)
        call.cancel()
        await until(lambda: plane.triton.cancelled > cancelled)


async def test_a_key_is_asked_for_as_at_the_gateway(start_plane: StartPlane, tmp_path: Path) -> None:
    plane = await start_plane(api_keys_file=keys_file(tmp_path, allowed=["gamma"]))
    async with AsyncRouterClient(plane.address, api_key=KEY) as client:
        assert (await client.route("q")).llm == "gamma"
    for key in (None, "wrong"):
        async with AsyncRouterClient(plane.address, api_key=key) as client:
            with pytest.raises(RouteError) as nobody:
                await client.route("q")
            assert nobody.value.code is grpc.StatusCode.UNAUTHENTICATED
    async with aio.insecure_channel(plane.address) as channel:
        process: Any = channel.unary_unary("/envoy.service.ext_proc.v3.ExternalProcessor/Process")
        with pytest.raises(aio.AioRpcError) as refused:
            await process(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED  # that is between Envoy and the gateway


async def test_nobody_steers_envoy_or_speaks_for_another_host(start_plane: StartPlane) -> None:
    plane = await start_plane(max_streams=1)
    plane.triton.delay_seconds = 0.3
    steering = (("x-envoy-upstream-rq-timeout-ms", "1"), ("x-envoy-max-retries", "3"))
    async with aio.insecure_channel(plane.address) as channel:
        stub: Any = router_pb2_grpc.RouterStub(channel)
        assert (await stub.Route(pb.RouteRequest(query="q"), metadata=steering)).reason == pb.REASON_ROUTED
        first = stub.RouteStream(metadata=[("x-forwarded-for", "10.0.0.1")])
        await first.initial_metadata()
        second = stub.RouteStream(metadata=[("x-forwarded-for", "10.0.0.2")])
        assert await second.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "has 1 streams open" in await second.details()
        first.cancel()


async def test_no_message_inflates_or_is_larger_than_at_the_gateway(start_plane: StartPlane) -> None:
    plane = await start_plane()
    large = pb.RouteRequest(query="x" * (5 * MIB))
    options = [("grpc.max_send_message_length", -1)]
    async with aio.insecure_channel(plane.address, options=options) as channel:
        stub: Any = router_pb2_grpc.RouterStub(channel)
        with pytest.raises(aio.AioRpcError) as compressed:
            await stub.Route(pb.RouteRequest(query="x" * MIB), compression=grpc.Compression.Gzip)
        assert compressed.value.code() is grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(aio.AioRpcError) as refused:
            await stub.Route(large)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        message = gzip.compress(pb.RouteRequest(query="q").SerializeToString())
        route: Any = channel.unary_unary("/routerdc.v1.Router/Route")
        with pytest.raises(aio.AioRpcError) as coded:  # Envoy does not inflate it behind the gateway's back
            await route(message, metadata=[("content-encoding", "gzip")])
        assert coded.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stream_may_wait_longer_than_a_request(start_plane: StartPlane) -> None:
    plane = await start_plane("--request-timeout-seconds", "1")
    async with aio.insecure_channel(plane.address) as channel:
        stream: Any = router_pb2_grpc.RouterStub(channel).RouteStream()
        await stream.initial_metadata()
        await asyncio.sleep(2)
        await stream.write(pb.RouteRequest(query="q", request_id="late"))
        assert (await stream.read()).response.llm == "beta"
        await stream.done_writing()


async def test_envoys_own_errors_are_plain(start_plane: StartPlane) -> None:
    plane = await start_plane()
    await asyncio.to_thread(plane.gateway.process.stop)
    async with aio.insecure_channel(plane.address) as channel:
        with pytest.raises(aio.AioRpcError) as failed:
            await router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="q"), timeout=20)
        unknown: Any = channel.unary_unary("/routerdc.v1.Nobody/Route")
        with pytest.raises(aio.AioRpcError) as missing:
            await unknown(b"")
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert not str(failed.value.details()).startswith("{")
    assert (missing.value.code(), missing.value.details()) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "there is no such service",
    )


async def test_a_gateway_that_leaves_fails_no_call(start_plane: StartPlane) -> None:
    plane = await start_plane(gateways=2, drain_delay_seconds=3)
    plane.triton.delay_seconds = 0.02
    asked = failed = 0
    async with aio.insecure_channel(plane.address, options=[("grpc.enable_retries", 0)]) as channel:
        stub: Any = router_pb2_grpc.RouterStub(channel)
        leaving = asyncio.create_task(asyncio.to_thread(plane.gateway.process.stop, 20))
        while not leaving.done():
            asked += 1
            try:
                await stub.Route(pb.RouteRequest(query=str(asked)), timeout=10)
            except aio.AioRpcError:
                failed += 1
    assert asked > 20
    assert not failed
