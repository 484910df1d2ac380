"""One caller that takes all it can get, and conversations whose gateways die: what the others see."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from grpc import aio

from deploy.local.triton.server import TritonServer
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.chaos.conftest import StartGateway
from tests.chaos.ledger import FULL, Ledger
from tests.chaos.load import REAL, Call, Load, channel, percentile_ms, routing, unique_query
from tests.support.gateways.process import GatewayProcess

Seconds = Callable[[float, float], float]

DEADLINE_MS = 2000.0 if FULL else 10_000.0
STEADY = 30.0 if FULL else 10.0
ROWS = 1024
GATEWAYS = 4
TURNS = 3 if FULL else 1
"""Alone and beside others, so that a busy machine is busy for both."""


@asynccontextmanager
async def repeated(hogs: Sequence[Callable[[], Any]]) -> AsyncIterator[None]:
    """Each of `hogs` asks again as soon as it is answered, or a moment after it is refused."""

    async def repeat(hog: Callable[[], Any]) -> None:
        while True:
            with suppress(aio.AioRpcError):
                await hog()
            await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(repeat(hog)) for hog in hogs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def not_real(call: Call) -> bool:
    return call.outcome not in REAL


async def test_two_clients_that_send_large_batches_without_a_pause(
    triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, deadline_ms=DEADLINE_MS / 2)

    def batches(connection: aio.Channel) -> Callable[[], Any]:
        stub: Any = router_pb2_grpc.RouterStub(connection)
        rows = [pb.RouteRequest(query=f"{unique_query()} {i}") for i in range(ROWS)]
        return lambda: stub.RouteBatch(pb.RouteBatchRequest(requests=rows), timeout=30)

    one, two, other = channel(gateway.address), channel(gateway.address), channel(gateway.address)
    alone, beside = list[Call](), list[Call]()
    async with one, two, other:
        for _ in range(TURNS):
            async with Load(routing(other, DEADLINE_MS), STEADY) as running:
                await asyncio.sleep(seconds(1, 10))
            alone += running.calls
            async with repeated([batches(one), batches(two)]):
                await asyncio.sleep(0.5)
                async with Load(routing(other, DEADLINE_MS), STEADY) as running:
                    await asyncio.sleep(seconds(1, 10))
            beside += running.calls
    fault = f"two clients that send batches of {ROWS} rows without a pause"
    ledger.never(fault, "single queries of others are decided by scores", beside, not_real)
    slower = percentile_ms(beside, 0.5) / percentile_ms(alone, 0.5)
    ledger.at_most(fault, "p50 of single queries over that alone", slower, 4, "times", calls=len(beside))


async def test_a_client_that_sends_a_megabyte_without_spaces(
    triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, deadline_ms=DEADLINE_MS / 2)

    def megabytes(connection: aio.Channel) -> Callable[[], Any]:
        stub: Any = router_pb2_grpc.RouterStub(connection)
        return lambda: stub.Route(pb.RouteRequest(query="!" * (2**20 - 40) + unique_query()[-20:]), timeout=30)

    one, other = channel(gateway.address), channel(gateway.address)
    async with one, other, repeated([megabytes(one)]), Load(routing(other, DEADLINE_MS), STEADY) as running:
        await asyncio.sleep(seconds(3, 30))
    fault = "a client that sends a megabyte without spaces, again and again"
    ledger.never(fault, "queries of others are decided by scores", running.calls, not_real)


async def test_conversations_over_gateways_that_are_killed_one_after_the_other(
    triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    """Each turn goes to any gateway; the LLMs are those of a gateway that has had the whole conversation."""

    def start() -> Awaitable[GatewayProcess]:
        return asyncio.to_thread(start_gateway, triton.grpc_address, deadline_ms=DEADLINE_MS)

    gateways = [await start() for _ in range(GATEWAYS)]
    steady, chance = gateways[0], random.Random(0)
    calls: list[Call] = []
    for _ in range(int(seconds(3, 30))):
        victim = chance.randrange(1, GATEWAYS)
        gateways[victim].signal(signal.SIGKILL)
        gateways[victim] = await start()
        chat: list[pb.ChatMessage] = []
        for text in (unique_query(), "yes", unique_query(), "go on", "thanks, now in French"):
            chat.append(pb.ChatMessage(role="user", content=text))
            here, there = [await _llm(gateway.address, chat) for gateway in (steady, chance.choice(gateways))]
            calls.append(Call(0.0, 0.0, "ROUTED" if here == there else f"{here} is not {there}"))
            chat.append(pb.ChatMessage(role="assistant", content="Here is the answer. " * 20))
    fault = f"{GATEWAYS} gateways, one killed before each conversation"
    ledger.never(fault, "no gateway changes a conversation's LLM", calls, not_real)


async def _llm(address: str, chat: Sequence[pb.ChatMessage]) -> str:
    async with channel(address) as connection:
        stub: Any = router_pb2_grpc.RouterStub(connection)
        answer = await stub.Route(pb.RouteRequest(chat=pb.ChatMessages(messages=chat)), timeout=DEADLINE_MS / 1000)
    return str(answer.llm)
