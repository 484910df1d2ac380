"""The intake guard: late messages end where the process grows, but not for what large bodies from Envoy take."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from gateway.grpc_api.intake import guard
from gateway.grpc_api.intake.guard import Intake
from gateway.grpc_api.intake.peers import forwarded
from routerdc_contract.v1 import router_pb2 as pb
from tests.support.waiting import until

MIB = 2**20


class RefusedError(Exception):
    """The call was ended."""


class Context:
    """Of a call without an API key, whose message is there once it has `arrived`."""

    peers = 0  # how often somebody asked, of all

    def __init__(self, arrived: asyncio.Event) -> None:
        self._arrived = arrived

    async def read(self) -> str:
        await self._arrived.wait()
        return "small"

    def peer(self) -> str:
        Context.peers += 1
        return "ipv4:10.0.0.1:1"

    async def abort(self, code: grpc.StatusCode, details: str, _metadata: object = ()) -> None:
        raise RefusedError(code.name, details)


class Process:
    """A process that holds so many bytes, of which `bodies` are Envoy's."""

    def __init__(self, bodies: int) -> None:
        self.resident, self.bodies = 100 * MIB, bodies
        self.arrived, self.looks = asyncio.Event(), 0
        self.intake = Intake(self._look, lambda: self.bodies)

    def _look(self) -> int:
        self.looks += 1
        return self.resident

    async def looked(self, times: int) -> None:
        goal = self.looks + times
        await until(lambda: self.looks >= goal, 30)

    def call(self) -> "asyncio.Task[str]":
        async def behaviour(message: str, context: Context) -> str:
            return message

        return asyncio.create_task(self.intake.unary(behaviour)(None, Context(self.arrived)))  # type: ignore[arg-type]


async def test_a_late_message_ends_where_the_process_has_grown() -> None:
    process = Process(bodies=0)
    call = process.call()
    await process.looked(1)
    process.resident += 2 * guard.WITHOUT_KEY_BYTES
    with pytest.raises(RefusedError, match="too much memory"):
        await asyncio.wait_for(call, 30)


@pytest.mark.parametrize(
    ("growth", "looks"), [(guard.WITHOUT_KEY_BYTES + MIB, guard.LATE_LOOKS), (guard.AT_ONCE_BYTES + MIB, 1)]
)
async def test_the_more_it_has_grown_the_sooner_messages_end(growth: int, looks: int) -> None:
    process = Process(bodies=0)
    call = process.call()
    await asyncio.sleep(0)  # the first look is of its beginning
    process.resident += growth
    with pytest.raises(RefusedError, match="too much memory"):
        await asyncio.wait_for(call, 30)
    assert process.looks == 1 + looks


async def test_calls_that_end_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """To end thousands takes longer than the time between two looks, each of which went through all of them."""
    process, may_end = Process(bodies=0), asyncio.Event()

    async def abort(_context: Context, code: grpc.StatusCode, details: str, _metadata: object = ()) -> None:
        await may_end.wait()
        raise RefusedError(code.name, details)

    monkeypatch.setattr(Context, "abort", abort)
    monkeypatch.setattr(Context, "peers", 0)
    calls = [process.call() for _ in range(50)]
    await process.looked(1)
    process.resident += 2 * guard.WITHOUT_KEY_BYTES
    await asyncio.sleep(10 * guard.LOOK_SECONDS)
    may_end.set()
    ends = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 30)
    assert {type(end) for end in ends} == {RefusedError}
    assert Context.peers == len(calls)


async def test_a_large_bodys_memory_is_nobody_elses_shortly_after_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LARGE_BODIES_SECONDS", 60)
    process = Process(bodies=8 * MIB)
    call = process.call()
    await process.looked(1)
    process.bodies = 0  # it is written back to Envoy, and the next one comes
    process.resident += 2 * guard.WITHOUT_KEY_BYTES
    await process.looked(4)
    process.arrived.set()
    assert await asyncio.wait_for(call, 30) == "small"


async def test_large_bodies_excuse_no_growth_long_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LARGE_BODIES_SECONDS", 0)
    process = Process(bodies=8 * MIB)
    call = process.call()
    await process.looked(1)
    process.bodies = 0
    await process.looked(2)
    process.resident += 2 * guard.WITHOUT_KEY_BYTES
    with pytest.raises(RefusedError, match="too much memory"):
        await asyncio.wait_for(call, 30)


async def test_one_caller_has_only_so_many_calls_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_WAITING", 3)
    process = Process(bodies=0)
    token = forwarded.set("10.0.0.7")  # an Envoy's word; the connection is Envoy's own
    calls = [process.call() for _ in range(5)]
    forwarded.reset(token)
    others = [process.call() for _ in range(3)]
    await until(lambda: sum(call.done() for call in calls) == 2, 30)
    await process.looked(2)
    process.arrived.set()
    ends = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 30)
    assert sorted(map(str, ends))[-3:] == ["small"] * 3
    assert sum(isinstance(end, RefusedError) for end in ends) == 2
    assert await asyncio.gather(*others) == ["small"] * 3


@pytest.mark.parametrize(("size", "ends"), [(guard.LARGE_MESSAGE_BYTES + 100, True), (100, False)])
async def test_a_stream_of_large_messages_without_a_key_ends_where_the_process_has_grown(size: int, ends: bool) -> None:
    process = Process(bodies=0)

    async def messages() -> AsyncIterator[pb.RouteRequest]:
        yield pb.RouteRequest(query="x" * size)
        process.resident += guard.WITHOUT_KEY_BYTES + MIB
        await process.arrived.wait()

    async def behaviour(received: AsyncIterator[pb.RouteRequest], context: Context) -> None:
        async for _ in received:
            pass

    stream = asyncio.ensure_future(process.intake.streaming(behaviour)(messages(), Context(process.arrived)))
    if ends:
        with pytest.raises(RefusedError, match="too much memory"):
            await asyncio.wait_for(stream, 30)
    else:
        await process.looked(4)
        process.arrived.set()
        await asyncio.wait_for(stream, 30)
