"""Load: every request once, wrong answers are not measured as speed."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc import aio

from loadtest.closed_loop.closed_loop import Service, WrongAnswerError


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
        yield Service(f"127.0.0.1:{port}", "/test.Test/Echo", requests, lambda _: None, (os.getpid(),))
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
        wrong = Service(echo.address, echo.method, echo.requests, refuse, echo.pids)
        async with wrong.connect() as connected:
            with pytest.raises(WrongAnswerError, match="0"):
                await connected.closed_loop(1, callers=1)
