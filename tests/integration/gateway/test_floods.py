"""A flood of small frames, from a caller without a key: grpc's refusals of it cost more than its answers."""

import asyncio
from contextlib import suppress
from typing import Any

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.integration.gateway.conftest import StartGateway
from tests.integration.gateway.test_bounds import PROCESS, ROUTE, WITHOUT_KEY_MIB
from tests.support.frames import (
    CANCEL,
    END_HEADERS,
    HEADERS,
    PING,
    RST_STREAM,
    Connection,
    call_headers,
    frame,
)
from tests.support.gateways.process import GatewayProcess
from tests.support.waiting import until

PINGS, AT_ONCE = 100_000, 500
MORE_CONNECTIONS = 8
CONNECTIONS, CALLS, GIVEN_UP = 3, 4096, 20_000


async def test_a_flood_of_pings_takes_no_memory(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    before, connection = gateway.memory_mib(), await Connection.opened(gateway.address)
    answered = asyncio.create_task(connection.received(PING, PINGS))
    with suppress(ConnectionError):
        for _ in range(PINGS // AT_ONCE):
            await connection.send(frame(PING, 0, 0, b"12345678") * AT_ONCE)
    await asyncio.wait_for(answered, 120)
    connection.close()
    assert gateway.peak_mib() - before < WITHOUT_KEY_MIB
    await _is_answered(gateway)


async def test_calls_without_a_message_cost_little(start_gateway: StartGateway) -> None:
    """As many on each connection as its caller likes: beyond the limit they are refused."""
    gateway = await start_gateway()
    before = gateway.memory_mib()
    connections = await _with_calls(gateway.address, CONNECTIONS)
    await _is_answered(gateway)
    assert gateway.peak_mib() - before < WITHOUT_KEY_MIB
    for connection in connections:
        connection.close()


async def test_calls_without_a_message_at_envoys_port_cost_little(start_gateway: StartGateway) -> None:
    """Envoy has one connection for each of its threads, which it may share, so the limit there is a connection's."""
    gateway = await start_gateway(ext_proc_port=0)
    before = gateway.memory_mib()
    (connection,) = await _with_calls(gateway.ext_proc_address, 1, PROCESS)
    async with aio.insecure_channel(gateway.ext_proc_address) as channel:  # its turn comes after theirs
        stub: Any = health_pb2_grpc.HealthStub(channel)
        await stub.Check(health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True)
    assert gateway.peak_mib() - before < WITHOUT_KEY_MIB
    connection.close()


async def test_calls_that_are_given_up_at_once_take_little_memory(start_gateway: StartGateway) -> None:
    """They never count as many at once, however many there are ("rapid reset")."""
    gateway = await start_gateway()
    before, begin = gateway.memory_mib(), call_headers(ROUTE.encode())
    connections = [await Connection.opened(gateway.address) for _ in range(CONNECTIONS)]

    async def given_up(connection: Connection) -> None:
        with suppress(ConnectionError):
            for first in range(1, 2 * GIVEN_UP, 2 * AT_ONCE):
                streams = range(first, first + 2 * AT_ONCE, 2)
                calls = (frame(HEADERS, END_HEADERS, s, begin) + frame(RST_STREAM, 0, s, CANCEL) for s in streams)
                await connection.send(b"".join(calls))

    await asyncio.gather(*map(given_up, connections))
    await _is_answered(gateway)
    assert gateway.peak_mib() - before < WITHOUT_KEY_MIB
    for connection in connections:
        connection.close()


async def test_what_held_calls_took_is_given_back_when_they_end(start_gateway: StartGateway) -> None:
    """Long after the process has grown; from more connections than the bound is for, so that it has grown by more."""
    gateway = await start_gateway()
    before = gateway.memory_mib()
    connections = await _with_calls(gateway.address, MORE_CONNECTIONS)
    await until(lambda: gateway.memory_mib() - before > WITHOUT_KEY_MIB, 60)
    await asyncio.sleep(5)  # so that what it grew by is looked at while it is in use
    for connection in connections:
        connection.close()
    await until(lambda: gateway.memory_mib() - before < WITHOUT_KEY_MIB, 120)


async def _with_calls(address: str, count: int, method: str = ROUTE) -> list[Connection]:
    """So many connections, on each of them CALLS calls whose message does not come."""
    begin = call_headers(method.encode())
    connections = [await Connection.opened(address) for _ in range(count)]
    for connection in connections:
        await connection.send(b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, begin) for i in range(CALLS)))
    return connections


async def _is_answered(gateway: GatewayProcess) -> None:
    """Somebody else's call, though not while memory is given back."""
    async with aio.insecure_channel(gateway.address) as channel:
        route = router_pb2_grpc.RouterStub(channel).Route
        async with asyncio.timeout(60):
            while True:
                with suppress(aio.AioRpcError):
                    await route(pb.RouteRequest(query="x"), timeout=10)
                    return
