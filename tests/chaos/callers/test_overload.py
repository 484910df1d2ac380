"""More than can be served: ten times the load, connections in floods, callers that do not read, callers that leave."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from grpc import aio
from tritonclient.grpc import service_pb2_grpc

from deploy.local.triton.server import TritonServer
from routerdc_client import route_request
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.chaos.conftest import StartGateway, endpoints_yaml, full_only
from tests.chaos.ledger import FULL, Ledger
from tests.chaos.load import REAL, Call, Load, channel, is_refusal, percentile_ms, routing, unique_query
from tests.support.fakes.scorer import BUNDLE
from tests.support.fakes.triton import FakeTriton
from tests.support.waiting import until

Seconds = Callable[[float, float], float]

DEADLINE_MS = 2000.0 if FULL else 10_000.0
STEADY = 50.0 if FULL else 20.0
# A lone query takes 40 ms, four of them (the most in one request) 100.
REQUEST_SECONDS, QUERY_SECONDS = 0.02, 0.02
CAPACITY = 40.0
REFUSED_WITHIN_MS = 50.0
SLOWER_AT_MOST = 2.0


class SlowTriton(FakeTriton):
    """Scores one request after the other, so that its capacity is known and does not depend on the machine."""

    def __init__(self) -> None:
        super().__init__()
        self._one_at_a_time = asyncio.Lock()

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        async with self._one_at_a_time:
            await asyncio.sleep(REQUEST_SECONDS + QUERY_SECONDS * request.inputs[0].shape[0])
        return await super().ModelInfer(request, context)


@pytest.fixture
async def slow_triton(tmp_path: Path) -> AsyncIterator[SlowTriton]:
    """Listening."""
    triton, server = SlowTriton(), aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    triton.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield triton
    await server.stop(None)


async def offered(address: str, per_second: float, seconds: float) -> list[Call]:
    """What became of that load."""
    connection = channel(address)
    async with connection, Load(routing(connection, DEADLINE_MS), per_second) as load:
        await asyncio.sleep(seconds)
    return load.calls


@full_only
@pytest.mark.parametrize("refusing", [True, False])
async def test_ten_times_overload_for_a_minute(
    slow_triton: SlowTriton, tmp_path: Path, start_gateway: StartGateway, ledger: Ledger, refusing: bool
) -> None:
    file = tmp_path / "three.yaml"
    file.write_text(endpoints_yaml(BUNDLE.llms), encoding="utf-8")
    start = partial(asyncio.to_thread, start_gateway, slow_triton.address, endpoints_file=file)
    unloaded_ms = percentile_ms(await offered((await start()).address, CAPACITY / 4, 20), 0.99)
    gateway = await start(**({"score_target_ms": round(unloaded_ms, 1)} if refusing else {}))
    calls = await offered(gateway.address, CAPACITY * 10, 60)
    accepted = [call for call in calls if call.outcome in REAL]
    refused = [call for call in calls if call.outcome not in REAL]
    fault = f"10 times overload for a minute, {'score_target_ms' if refusing else 'default settings'}"
    ledger.never(fault, "decided or refused", calls, lambda call: not (call.decided or is_refusal(call)))
    ledger.at_most(
        fault, "capacity lost", 1 - len(accepted) / 60 / CAPACITY, 0.5 if refusing else 0.8, "of 1", calls=len(accepted)
    )
    if not refusing:
        late_ms = 200 * 1.1
        ledger.never(fault, f"nobody waits past {late_ms:.0f} ms", calls, lambda c: c.waited_ms > late_ms, timed=True)
        return
    slower = percentile_ms(accepted, 0.99) / unloaded_ms
    ledger.at_most(fault, "p99 of accepted over p99 unloaded", slower, SLOWER_AT_MOST, "times", calls=len(accepted))
    within = REFUSED_WITHIN_MS
    ledger.never(
        fault, f"refused within {within:g} ms", refused, lambda call: call.waited_ms > within,
        goal="99.9 %", allowed_share=0.001, timed=True,
    )  # fmt: skip


async def test_flood_of_connections_does_not_touch_calls(
    triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, deadline_ms=DEADLINE_MS / 2)
    host, _, port = gateway.address.partition(":")
    count = int(seconds(200, 900))
    async with channel(gateway.address) as one, Load(routing(one, DEADLINE_MS), STEADY) as running:
        flood = [socket.create_connection((host, int(port)), timeout=5) for _ in range(count)]
        for each in flood[::2]:
            each.sendall(b"GET / HTTP/1.1\r\n")  # garbage to an HTTP/2 server
        await asyncio.sleep(seconds(0.5, 10))
        for each in flood:
            each.close()
        await running.stop()
    fault = f"{count} connections that say nothing, or nonsense"
    ledger.never(fault, "real decisions go on", running.calls, lambda call: call.outcome not in REAL)


async def test_callers_that_do_not_read_cost_bounded_memory_and_no_call(
    triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, deadline_ms=DEADLINE_MS / 2)

    async def deaf(connection: aio.Channel) -> Any:
        """Asks by stream, as fast as it may, and reads nothing."""
        call = router_pb2_grpc.RouterStub(connection).RouteStream()
        for i in range(2000):
            request = route_request("What is the capital of France?", request_id=str(i), max_candidates=99)
            await call.write(request)
        return call

    one, other = channel(gateway.address), channel(gateway.address)
    async with one, other, Load(routing(one, DEADLINE_MS), STEADY) as running:
        await asyncio.sleep(seconds(0.3, 2))
        before = gateway.memory_mib()
        stuck = [asyncio.create_task(deaf(other)) for _ in range(int(seconds(10, 100)))]
        await asyncio.sleep(seconds(1, 15))
        grown = gateway.memory_mib() - before
        for task in stuck:
            task.cancel()
        await asyncio.wait(stuck)
        await running.stop()
    fault = f"{len(stuck)} streams whose callers do not read"
    ledger.never(fault, "real decisions go on", running.calls, lambda call: call.outcome not in REAL)
    ledger.at_most(fault, "memory grows by", grown, 64, "MiB", timed=False)


async def test_callers_that_cancel_everything_leave_nothing_behind(
    triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, deadline_ms=DEADLINE_MS / 2)

    async def leave(connection: aio.Channel) -> None:
        stub: Any = router_pb2_grpc.RouterStub(connection)
        end = time.monotonic() + seconds(1, 15)
        while time.monotonic() < end:
            calls = [stub.Route(pb.RouteRequest(query=unique_query()), timeout=5) for _ in range(20)]
            await asyncio.sleep(0.005)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    # A connection each: with so many cancelled calls the gateway's gRPC refuses new streams on the same one.
    own = ("grpc.use_local_subchannel_pool", 1)
    async with channel(gateway.address, own) as one, channel(gateway.address, own) as other:
        async with Load(routing(one, DEADLINE_MS), STEADY) as running:
            await leave(other)
            await running.stop()
        fault = "callers that cancel everything"
        ledger.never(fault, "real decisions go on", running.calls, lambda call: call.outcome not in REAL)
        await until(lambda: gateway.metric("routerdc_in_flight") == 0)
        ledger.at_most(fault, "queries left in flight", gateway.metric("routerdc_in_flight"), 0, "", timed=False)
