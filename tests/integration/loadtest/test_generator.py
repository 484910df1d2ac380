"""The generator against scripted servers: stalls show whole, failures are no fast answers, nobody waits for anybody."""

import asyncio
import itertools
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc import aio

from loadtest.open_loop import precise_loop
from loadtest.open_loop.arrivals import poisson
from loadtest.open_loop.generator import CallError, Load, Sample, Target, offer
from loadtest.open_loop.targets import grpc_target

Answer = Callable[[bytes, "aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]
METHOD = "/test.Test/Echo"


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[str]:
    running = aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Echo": grpc.unary_unary_rpc_method_handler(answer)}
    running.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Test", handlers)])
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await running.stop(None)


async def echo(request: bytes, context: "aio.ServicerContext[bytes, bytes]") -> bytes:
    return request


def no_problem(answer: bytes) -> str:
    return ""


async def load(answer: Answer, arrivals: list[float], deadline_seconds: float = 5) -> Load:
    async with server(answer) as address, grpc_target(address, METHOD, no_problem) as target:
        return await offer(target, [b"%d" % i for i in range(len(arrivals))], arrivals, deadline_seconds)


async def test_a_server_that_stalls_for_a_second_shows_it_in_every_request_that_came_meanwhile() -> None:
    """The test of coordinated omission: a closed loop would see a single slow request here."""
    awake, stall = asyncio.Event(), 1.0
    started = 0.0

    async def stalls(request: bytes, context: "aio.ServicerContext[bytes, bytes]") -> bytes:
        nonlocal started
        if request == b"100":
            started = time.perf_counter()
            asyncio.get_running_loop().call_later(stall, awake.set)
        if started:
            await awake.wait()
        return request

    done = await load(stalls, [i / 100 for i in range(300)])
    # Of 3 seconds' requests one second's waited, evenly for 0 to 1 s: the slowest 1 % (p99) waited for 0.97 s.
    assert done.latency_ms(0.99) == pytest.approx(970, abs=60)
    assert done.latency_ms(0.83) == pytest.approx(500, abs=80)
    assert not done.errors


async def test_a_late_generator_is_seen_in_the_latencies() -> None:
    async def blocks(request: bytes, context: "aio.ServicerContext[bytes, bytes]") -> bytes:
        if request == b"3":
            time.sleep(0.3)  # noqa: ASYNC251 - the event loop that server and generator share
        return request

    done = await load(blocks, [i / 100 for i in range(20)])
    assert done.late_ms(1.0) > 150
    assert done.latency_ms(0.5) > 100


async def test_requests_do_not_wait_for_the_ones_before_them() -> None:
    in_flight, most = 0, 0

    async def slow(request: bytes, context: "aio.ServicerContext[bytes, bytes]") -> bytes:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.3)
        in_flight -= 1
        return request

    await load(slow, [i / 1000 for i in range(250)])
    assert most > 200


async def test_requests_past_their_deadline_count_as_infinitely_slow_with_their_code() -> None:
    async def never(request: bytes, context: "aio.ServicerContext[bytes, bytes]") -> bytes:
        await asyncio.sleep(60 if request == b"0" else 0)
        return request

    started = time.monotonic()
    done = await load(never, [0.01 * i for i in range(1, 11)], deadline_seconds=0.3)
    assert time.monotonic() - started < 3
    assert done.errors == {"DEADLINE_EXCEEDED": 1}
    assert done.latency_ms(1.0) == math.inf
    assert done.latency_ms(0.5) < 300


async def test_refusals_are_no_fast_answers() -> None:
    async def refuses(request: bytes, context: "aio.ServicerContext[bytes, bytes]") -> bytes:
        if int(request) % 2:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        return request

    done = await load(refuses, [0.005 * i for i in range(1, 101)])
    assert done.errors == {"RESOURCE_EXHAUSTED": 50}
    assert done.latency_ms(0.95) == math.inf
    assert done.answered_per_second == pytest.approx(done.offered_per_second / 2)


async def test_answers_that_are_no_decisions_count_as_failed() -> None:
    class Defaults:
        async def send(self, request: bytes, timeout_seconds: float) -> bytes:
            return b"default"

        def problem(self, answer: bytes) -> str:
            return "REASON_FALLBACK"

    done = await offer(Defaults(), [b"a", b"b"], [0.0, 0.01], 1)
    assert done.errors == {"REASON_FALLBACK": 2}
    assert done.latency_ms(0.5) == math.inf


async def test_cancelling_cancels_what_is_in_flight() -> None:
    cancelled, both_sent = list[bytes](), asyncio.Event()

    class Hangs:
        async def send(self, request: bytes, timeout_seconds: float) -> bytes:
            if request == b"b":
                both_sent.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(request)
                raise
            raise CallError("not reached")

        def problem(self, answer: bytes) -> str:
            return ""

    job = asyncio.create_task(offer(Hangs(), [b"a", b"b", b"c"], [0.0, 0.01, 30.0], 60))
    await both_sent.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert sorted(cancelled) == [b"a", b"b"]


async def test_arrivals_without_requests_are_refused() -> None:
    unused: Target = _nothing()
    with pytest.raises(ValueError, match="1 requests for 2 arrivals"):
        await offer(unused, [b"a"], [0.0, 1.0], 1)


def test_the_precise_loop_is_far_less_than_a_millisecond_late() -> None:
    async def lateness() -> list[float]:
        late = list[float]()
        for delay in itertools.islice(itertools.cycle((0.0013, 0.0021, 0.0047)), 60):
            due = time.perf_counter() + delay
            await asyncio.sleep(delay)
            late.append(time.perf_counter() - due)
        return sorted(late)

    # asyncio's own loop is 0.5 ms late in the median for delays like these. The fastest say what it can do at all: a
    # busy machine adds to the others.
    assert precise_loop.run(lateness())[5] < 0.0003


def test_a_precise_loop_serves_sockets_as_well() -> None:
    async def through_grpc() -> Load:
        return await load(echo, poisson(200, 0.5))

    done = precise_loop.run(through_grpc())
    assert not done.errors


def test_percentiles_are_of_all_arrivals() -> None:
    done = Load(1.0, [Sample(latency_ms=float(i)) for i in range(1, 101)])
    assert done.latency_ms(0.5) == pytest.approx(50, abs=1)
    assert done.offered_per_second == 100


def _nothing() -> Target:
    class Nothing:
        async def send(self, request: bytes, timeout_seconds: float) -> bytes:
            raise AssertionError

        def problem(self, answer: bytes) -> str:
            raise AssertionError

    return Nothing()
