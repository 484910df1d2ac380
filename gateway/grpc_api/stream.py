"""Bidirectional streams: a bounded number of requests and bytes in flight in each, results as they finish, a clean end.

Back-pressure is the transport's: while the stream is full, or the caller does not read, no request is read. Knows how
requests and results are identified, nothing of how they are decided.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

from gateway.config.groups import Limits
from gateway.errors import GatewayError, InvalidRequestError
from routerdc_contract.v1 import router_pb2 as pb

Request = pb.RouteRequest | GatewayError  # the latter where the wire-format guard refused a message
Answer = Callable[[Request, GatewayError | None], Awaitable[pb.RouteResult]]  # the error refuses the request
Write = Callable[[pb.RouteResult], Awaitable[None]]


class Streams:
    """All open streams of the server."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: Counter[str] = Counter()
        self._readers: set[asyncio.Task[None]] = set()
        self._draining = False

    def has_room(self, caller: str) -> bool:
        """Whether `caller` may open one more."""
        return self._open[caller] < self._limits.max_streams

    async def serve(self, caller: str, requests: AsyncIterator[Request], answer: Answer, write: Write) -> bool:
        """Answers one stream until the caller has closed its side, or `drain` was called (then the result is True)."""
        self._open[caller] += 1
        try:
            async with asyncio.TaskGroup() as group:
                reader = group.create_task(_Stream(group, answer, write, self._limits).read(requests))
                self._readers.add(reader)
                reader.add_done_callback(self._readers.discard)
                if self._draining:
                    reader.cancel()
            return self._draining and reader.cancelled()
        finally:
            self._open[caller] -= 1
            self._open += Counter()  # forgets callers with none

    def drain(self) -> None:
        """No stream reads another request; what was read is answered."""
        self._draining = True
        for reader in self._readers:
            reader.cancel()


class _Stream:
    def __init__(self, group: asyncio.TaskGroup, answer: Answer, write: Write, limits: Limits) -> None:
        self._group = group
        self._answer = answer
        self._write = write
        self._limits = limits
        self._in_flight = self._bytes = 0
        self._left = asyncio.Event()
        self._writing = asyncio.Lock()
        self._ids: set[str] = set()

    async def read(self, requests: AsyncIterator[Request]) -> None:
        async for request in requests:
            size = request.ByteSize() if isinstance(request, pb.RouteRequest) else 0
            self._in_flight += 1
            self._bytes += size
            self._group.create_task(self._one(request, self._problem(request), size))
            while self._is_full():
                self._left.clear()
                await self._left.wait()

    def _is_full(self) -> bool:
        return self._in_flight >= self._limits.max_stream_in_flight or self._bytes >= self._limits.max_stream_bytes

    def _problem(self, request: Request) -> GatewayError | None:
        if isinstance(request, GatewayError):
            return request
        if not request.request_id:
            return InvalidRequestError("request_id", "is required in a stream: results come in any order")
        if request.request_id in self._ids:
            return InvalidRequestError("request_id", "is in flight already in this stream")
        self._ids.add(request.request_id)
        return None

    async def _one(self, request: Request, problem: GatewayError | None, size: int) -> None:
        result = await self._answer(request, problem)
        if problem is None and isinstance(request, pb.RouteRequest):
            self._ids.discard(request.request_id)
        async with self._writing:
            await self._write(result)
        self._in_flight -= 1
        self._bytes -= size
        self._left.set()
