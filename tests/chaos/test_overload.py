"""More than can be served: ten times the load, connections in floods, callers that do not read, callers that leave."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from grpc import aio

from contract.v1 import router_pb2 as pb
from contract.v1 import router_pb2_grpc
from deploy.local.triton import TritonServer
from gateway.client import route_request
from tests.chaos.conftest import StartGateway, full_only
from tests.chaos.ledger import FULL, Ledger
from tests.chaos.load import REAL, Load, channel, is_refusal, percentile_ms, routing, unique_query
from tests.unit.gateway.waiting import until

Seconds = Callable[[float, float], float]

DEADLINE_MS = 2000.0 if FULL else 10_000.0
STEADY = 50.0 if FULL else 20.0
LONG = " ".join(["Explain, step by step and with examples, why the following is or is not so:"] * 12)
REFUSED_WITHIN_MS = 50.0
SLOWER_AT_MOST = 2.0


def long_queries(address: str) -> tuple[aio.Channel, Any]:
    """A caller whose queries fill the encoder."""
    connection = channel(address)
    ask = routing(connection, DEADLINE_MS)
    return connection, lambda query: ask(f"{query} {LONG}")


async def capacity(address: str, seconds: float = 4.0) -> float:
    """Long queries a second that Triton scores, asked for by 16 callers in a closed loop."""
    connection, ask = long_queries(address)
    end = time.monotonic() + seconds

    async def caller() -> int:
        count = 0
        while time.monotonic() < end:
            count += await ask(unique_query()) in REAL
        return count

    async with connection:
        return sum(await asyncio.gather(*(caller() for _ in range(16)))) / seconds


@full_only
@pytest.mark.parametrize("refusing", [True, False])
async def test_ten_times_overload_for_a_minute(
    shared_triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, refusing: bool
) -> None:
    unlimited = await asyncio.to_thread(start_gateway, shared_triton.grpc_address, deadline_ms=1000)
    most = await capacity(unlimited.address)
    connection, ask = long_queries(unlimited.address)
    async with connection, Load(ask, most / 5) as calm:
        await asyncio.sleep(15)
        await calm.stop()
    unloaded_ms = percentile_ms(calm.calls, 0.99)
    limit = {"score_target_ms": round(unloaded_ms, 1)} if refusing else {}
    gateway = await asyncio.to_thread(start_gateway, shared_triton.grpc_address, **limit)
    connection, ask = long_queries(gateway.address)
    async with connection, Load(ask, most * 10) as crowd:
        await asyncio.sleep(60)
        begun = crowd.calls[0].sent + 5  # the limit is found in the first seconds
        await crowd.stop()
    calls = crowd.between(begun, time.monotonic())
    accepted = [call for call in calls if call.outcome in REAL]
    refused = [call for call in calls if call not in accepted]
    fault = f"10 times overload ({most:.0f} → {most * 10:.0f}/s), {'refusing' if refusing else 'default settings'}"
    ledger.never(fault, "decided or refused", calls, lambda call: not (call.decided or is_refusal(call)))
    ledger.at_most(fault, "real decisions, share of capacity lost", 1 - len(accepted) / 55 / most, 0.5, "")
    if refusing:
        p99 = percentile_ms(accepted, 0.99)
        ledger.at_most(
            fault, "p99 of accepted over unloaded p99", p99 / unloaded_ms, SLOWER_AT_MOST, "×", calls=len(accepted)
        )
        late = lambda call: call.waited_ms > REFUSED_WITHIN_MS  # noqa: E731
        ledger.never(fault, f"refused within {REFUSED_WITHIN_MS:g} ms", refused, late, goal="99 %", allowed_share=0.01)
    else:
        late_ms = 200 * 1.1
        ledger.never(
            fault, f"nobody waits past {late_ms:.0f} ms", calls, lambda call: call.waited_ms > late_ms, timed=True
        )


async def test_flood_of_connections_does_not_touch_calls(
    shared_triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    gateway = await asyncio.to_thread(start_gateway, shared_triton.grpc_address, deadline_ms=DEADLINE_MS / 2)
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
    shared_triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    gateway = await asyncio.to_thread(start_gateway, shared_triton.grpc_address, deadline_ms=DEADLINE_MS / 2)

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
    shared_triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    gateway = await asyncio.to_thread(start_gateway, shared_triton.grpc_address, deadline_ms=DEADLINE_MS / 2)

    async def leave(connection: aio.Channel) -> None:
        stub: Any = router_pb2_grpc.RouterStub(connection)
        end = time.monotonic() + seconds(1, 15)
        while time.monotonic() < end:
            calls = [stub.Route(pb.RouteRequest(query=unique_query()), timeout=5) for _ in range(20)]
            await asyncio.sleep(0.005)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    async with channel(gateway.address) as one, channel(gateway.address) as other:
        async with Load(routing(one, DEADLINE_MS), STEADY) as running:
            await leave(other)
            await running.stop()
        fault = "callers that cancel everything"
        ledger.never(fault, "real decisions go on", running.calls, lambda call: call.outcome not in REAL)
        await until(lambda: gateway.metric("routerdc_in_flight") == 0)
        ledger.at_most(fault, "queries left in flight", gateway.metric("routerdc_in_flight"), 0, "", timed=False)
