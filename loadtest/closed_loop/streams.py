"""RouteStream in a closed loop: each stream keeps a window of queries in flight. Requests are serialized before."""

import asyncio
import time
from collections.abc import Sequence

from grpc import aio

from loadtest.closed_loop.closed_loop import Round, WrongAnswerError
from loadtest.closed_loop.usage import cpu_seconds
from loadtest.requests.messages import ROUTE_STREAM, result_problem
from routerdc_contract.v1 import router_pb2 as pb

_TIMEOUT_SECONDS = 60


async def through_streams(address: str, pid: int, queries: Sequence[str], streams: int, window: int) -> Round:
    """Sends `queries` over so many streams, each with `window` in flight; the CPU time is that of the tree of `pid`.

    Raises:
        grpc.aio.AioRpcError: a stream failed.
        WrongAnswerError: a result is no decision.
    """
    requests = [pb.RouteRequest(query=query, request_id=str(i)).SerializeToString() for i, query in enumerate(queries)]
    parts = [requests[i::streams] for i in range(streams)]
    async with aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        call: aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(ROUTE_STREAM)
        cpu_before, started = cpu_seconds(pid), time.perf_counter()
        answers = await asyncio.gather(*(_one(call, part, window) for part in parts))
        seconds, cpu = time.perf_counter() - started, cpu_seconds(pid) - cpu_before
    results = [pb.RouteResult.FromString(answer) for part in answers for answer in part]
    if problem := next(filter(None, map(result_problem, results)), ""):
        raise WrongAnswerError(problem)
    return Round(seconds, [0.0] * len(results), cpu)


async def _one(call: "aio.StreamStreamMultiCallable[bytes, bytes]", requests: list[bytes], window: int) -> list[bytes]:
    stream = call(timeout=_TIMEOUT_SECONDS)
    answers = list[bytes]()
    for request in requests[:window]:
        await stream.write(request)
    for request in requests[window:]:
        answers.append(await _read(stream))
        await stream.write(request)
    await stream.done_writing()
    while len(answers) < len(requests):
        answers.append(await _read(stream))
    return answers


async def _read(stream: "aio.StreamStreamCall[bytes, bytes]") -> bytes:
    if isinstance(answer := await stream.read(), bytes):
        return answer
    raise WrongAnswerError("the stream ended before its last result")
