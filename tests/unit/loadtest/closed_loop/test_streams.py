"""Streams under load: every query once, never more in flight than the window, wrong answers are not measured."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc import aio

from loadtest.closed_loop.closed_loop import WrongAnswerError
from loadtest.closed_loop.streams import through_streams
from routerdc_contract.v1 import router_pb2 as pb


@asynccontextmanager
async def router(seen: list[str], reason: "pb.Reason.ValueType") -> AsyncIterator[str]:
    """The address of a server that answers every query of a stream for `reason`."""

    async def stream(requests: AsyncIterator[pb.RouteRequest], context: object) -> AsyncIterator[pb.RouteResult]:
        async for one in requests:
            seen.append(one.query)
            yield pb.RouteResult(request_id=one.request_id, response=pb.RouteResponse(reason=reason))

    server = aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "RouteStream": grpc.stream_stream_rpc_method_handler(
            stream, pb.RouteRequest.FromString, pb.RouteResult.SerializeToString
        )
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("routerdc.v1.Router", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.mark.parametrize("window", [1, 4, 100])
async def test_every_query_is_answered_once(window: int) -> None:
    seen: list[str] = []
    queries = [str(i) for i in range(25)]
    async with router(seen, pb.REASON_ROUTED) as address:
        ended = await through_streams(address, os.getpid(), queries, streams=3, window=window)
    assert sorted(seen) == sorted(queries)
    assert len(ended.took_ms) == len(queries)
    assert ended.cpu_ms > 0


async def test_an_answer_without_a_decision_ends_the_run() -> None:
    async with router([], pb.REASON_FALLBACK) as address:
        with pytest.raises(WrongAnswerError, match="FALLBACK"):
            await through_streams(address, os.getpid(), ["a"], streams=1, window=1)
