"""Load: every request once, wrong answers are not measured as speed, stalls are not hidden."""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc import aio

from loadtest.calls import Service, WrongAnswerError, cpu_seconds


@asynccontextmanager
async def service(seen: list[bytes], wanted: int = 1) -> AsyncIterator[Service]:
    """Answers each request with itself, once `wanted` requests have come."""
    all_came = asyncio.Event()

    async def answer(request: bytes, context: object) -> bytes:
        seen.append(request)
        if len(seen) >= wanted:
            all_came.set()
        await all_came.wait()
        return request

    server = aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Echo": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Test", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        requests = (b"%d" % i for i in itertools.count())
        yield Service(f"127.0.0.1:{port}", "/test.Test/Echo", requests, lambda _: None, os.getpid())
    finally:
        await server.stop(None)


async def test_closed_loop_sends_each_request_once() -> None:
    seen: list[bytes] = []
    async with service(seen) as echo, echo.connect(connections=2) as connected:
        done = await connected.closed_loop(20, callers=3)
    assert sorted(seen, key=int) == [b"%d" % i for i in range(20)]
    assert len(done.took_ms) == 20
    assert done.calls_per_second == pytest.approx(20 / done.seconds)


async def test_wrong_answer_is_refused() -> None:
    def refuse(answer: bytes) -> None:
        raise WrongAnswerError(answer.decode())

    async with service([]) as echo:
        wrong = Service(echo.address, echo.method, echo.requests, refuse, echo.pid)
        async with wrong.connect() as connected:
            with pytest.raises(WrongAnswerError, match="0"):
                await connected.closed_loop(1, callers=1)


async def test_fixed_rate_does_not_wait_for_answers() -> None:
    """None is answered before the last one came."""
    async with service([], wanted=20) as slow, slow.connect() as connected:
        done = await connected.at_rate(20, per_second=200)
    assert len(done.took_ms) == 20


async def test_time_at_a_fixed_rate_counts_from_when_a_request_was_due() -> None:
    async with service([], wanted=20) as slow, slow.connect() as connected:
        done = await connected.at_rate(20, per_second=200)
    assert max(done.took_ms) - min(done.took_ms) >= 50  # the first waited for the 19 that came after it, 5 ms each


def test_cpu_time_of_a_process_grows_with_its_work() -> None:
    before = cpu_seconds(os.getpid())
    due = time.process_time() + 0.1
    while time.process_time() < due:
        pass
    assert cpu_seconds(os.getpid()) - before >= 0.05  # ticks of 10 ms
