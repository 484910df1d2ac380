"""What one caller without a key can cost Envoy and the gateway behind it, counted in the memory of both."""

import asyncio
import json
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.e2e.grpc.conftest import StartPlane
from tests.e2e.grpc.plane import MIB, GrpcPlane
from tests.integration.gateway.test_bounds import BATCH, HEALTH, ROUTE, WITHOUT_KEY_MIB, at_once
from tests.support.floods import FLOODS, flood
from tests.support.frames import END_HEADERS, HEADERS, Connection, call_headers, frame, header
from tests.support.waiting import until

CONNECTIONS, CALLS, STREAMS = 8, 1024, 4


@asynccontextmanager
async def bounded(plane: GrpcPlane) -> AsyncIterator[None]:
    """Both together grow by less than the bound while the block runs, and somebody else is answered after it."""
    gateway, envoy = plane.gateway.memory_mib(), await asyncio.to_thread(plane.envoys_mib)
    peak = envoy
    over = asyncio.Event()

    async def watch() -> None:
        nonlocal peak
        while not over.is_set():
            peak = max(peak, await asyncio.to_thread(plane.envoys_mib))
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        group.create_task(watch())
        try:
            yield
            await until(lambda: _is_answered(plane), 30)
        finally:
            over.set()
    assert plane.gateway.peak_mib() - gateway + peak - envoy < WITHOUT_KEY_MIB


async def _is_answered(plane: GrpcPlane) -> bool:
    async with aio.insecure_channel(plane.address) as channel:
        with suppress(aio.AioRpcError):
            await router_pb2_grpc.RouterStub(channel).Route(pb.RouteRequest(query="x"), timeout=10)
            return True
    return False


@pytest.mark.parametrize("method", [ROUTE, HEALTH])
async def test_calls_without_a_message(start_plane: StartPlane, method: str) -> None:
    plane = await start_plane()
    begin = call_headers(method.encode())
    async with bounded(plane):
        connections = [await Connection.opened(plane.address) for _ in range(CONNECTIONS)]
        for connection in connections:
            await connection.send(b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, begin) for i in range(CALLS)))
    for connection in connections:
        connection.close()


async def test_half_a_million_headers(start_plane: StartPlane) -> None:
    plane = await start_plane()
    host, _, port = plane.address.rpartition(":")
    async with bounded(plane):
        await asyncio.gather(*(flood(FLOODS["headers"], host, int(port)) for _ in range(CONNECTIONS)))


@pytest.mark.parametrize("method", [ROUTE, BATCH, HEALTH])
async def test_messages_without_an_end(start_plane: StartPlane, method: str) -> None:
    plane = await start_plane()
    async with bounded(plane):
        assert await at_once(4, plane.address, method, b"\0" * (200 * MIB)) == {"RESOURCE_EXHAUSTED"}


async def test_streams_of_large_messages_that_nobody_reads(start_plane: StartPlane) -> None:
    plane = await start_plane()
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    channels = [aio.insecure_channel(plane.address, options=options) for _ in range(STREAMS)]

    async def send(channel: aio.Channel) -> None:
        stub: Any = router_pb2_grpc.RouterStub(channel)
        stream = stub.RouteStream()
        with suppress(aio.AioRpcError, asyncio.InvalidStateError):
            for i in range(100):
                await stream.write(pb.RouteRequest(query="x", request_id=f"{i}" + "r" * (3 * MIB)))

    async with bounded(plane):
        _, unsent = await asyncio.wait([asyncio.create_task(send(channel)) for channel in channels], timeout=4)
        for task in unsent:
            task.cancel()
        for channel in channels:
            await channel.close()


async def test_calls_that_wait_leave_room_for_others(start_plane: StartPlane) -> None:
    """More connections than fill what Envoy lets wait at a gateway."""
    plane = await start_plane()
    begin = call_headers(ROUTE.encode())
    connections = [await Connection.opened(plane.address) for _ in range(32)]
    for connection in connections:
        await connection.send(b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, begin) for i in range(100)))
    async with aio.insecure_channel(plane.address) as channel:
        stub: Any = router_pb2_grpc.RouterStub(channel)
        await until(lambda: _is_answered(plane), 10)
        for i in range(100):
            await stub.Route(pb.RouteRequest(query=str(i)), timeout=10)
    for connection in connections:
        connection.close()


async def test_calls_given_up_at_once_end_nobody_elses(start_plane: StartPlane) -> None:
    """More cancellations on their way to a gateway that is busy than Envoy lets wait by default."""
    plane = await start_plane()
    async with aio.insecure_channel(plane.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest())
        await watching.read()
        plane.gateway.signal(signal.SIGSTOP)
        connections = [await Connection.opened(plane.address) for _ in range(32)]
        for connection in connections:
            for i in range(100):
                # No two alike, so that none is written shorter: they fill what a connection holds.
                pad = b"".join(header(b"x-pad-%d" % n, secrets.token_hex(60).encode()) for n in range(20))
                await connection.send(frame(HEADERS, END_HEADERS, 2 * i + 1, call_headers(ROUTE.encode()) + pad))
        await until(lambda: plane.envoys("cluster.gateway-calls.upstream_rq_active") > 2000)
        for connection in connections:
            connection.close()
        await until(lambda: plane.envoys("http.openai.downstream_rq_active") == 1)
        plane.gateway.signal(signal.SIGCONT)
        await until(lambda: _is_answered(plane), 30)
        assert not watching.done()
        assert plane.envoys("cluster.gateway-calls.http2.outbound_control_flood") == 0
        watching.cancel()


async def test_an_address_has_as_many_requests_as_the_operator_says(start_plane: StartPlane) -> None:
    plane = await start_plane("--requests-per-address=50")
    begin = call_headers(ROUTE.encode())
    connections = [await Connection.opened(plane.address, "127.0.0.2") for _ in range(CONNECTIONS)]
    for connection in connections:
        await connection.send(b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, begin) for i in range(100)))
    await until(lambda: plane.envoys("address.http_local_rate_limit.rate_limited") > 100 * CONNECTIONS - 500)
    async with aio.insecure_channel(plane.address) as channel:
        stub: Any = router_pb2_grpc.RouterStub(channel)
        codes = {await _code(stub, str(i)) for i in range(20)}
        assert codes == {grpc.StatusCode.OK}
        at_once = await asyncio.gather(*(_code(stub, str(i)) for i in range(1000)))
    assert set(at_once) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    answer: Any = await asyncio.to_thread(_refusal, plane.address)
    assert (answer[0], answer[1]["error"]["code"]) == (429, "rate_limit_exceeded")
    for connection in connections:
        connection.close()


async def _code(stub: Any, query: str) -> grpc.StatusCode:
    try:
        await stub.Route(pb.RouteRequest(query=query), timeout=10)
    except aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def _refusal(address: str) -> Any:
    """What is said by the other doors to who goes on asking."""
    while True:
        try:
            with urlopen(f"http://{address}/v1/models", timeout=10) as answer:
                answer.read()
        except HTTPError as error:
            return error.code, json.load(error)
