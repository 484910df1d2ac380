"""Bidirectional streams: a bounded number of requests in flight in each, results as they finish, and a clean end.

Back-pressure is the transport's: while the stream is full, or the caller does not read, no request is read. Knows how
requests and results are identified, nothing of how they are decided.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from gateway.errors import InvalidRequestError
from gateway.grpc_api import responses, status
from routerdc_contract.v1 import router_pb2 as pb

Answer = Callable[[pb.RouteRequest], Awaitable[pb.RouteResult]]
Write = Callable[[pb.RouteResult], Awaitable[None]]


class Streams:
    """All open streams of the server."""

    def __init__(self, max_in_flight: int) -> None:
        """`max_in_flight` requests at most in each stream are read and not yet answered."""
        self._max_in_flight = max_in_flight
        self._readers: set[asyncio.Task[None]] = set()
        self._draining = False

    async def serve(self, requests: AsyncIterator[pb.RouteRequest], answer: Answer, write: Write) -> bool:
        """Answers one stream until the caller has closed its side, or `drain` was called (then the result is True)."""
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(_Stream(group, answer, write, self._max_in_flight).read(requests))
            self._readers.add(reader)
            reader.add_done_callback(self._readers.discard)
            if self._draining:
                reader.cancel()
        return self._draining and reader.cancelled()

    def drain(self) -> None:
        """No stream reads another request; what was read is answered."""
        self._draining = True
        for reader in self._readers:
            reader.cancel()


class _Stream:
    def __init__(self, group: asyncio.TaskGroup, answer: Answer, write: Write, max_in_flight: int) -> None:
        self._group = group
        self._answer = answer
        self._write = write
        self._slots = asyncio.Semaphore(max_in_flight)
        self._writing = asyncio.Lock()
        self._ids: set[str] = set()

    async def read(self, requests: AsyncIterator[pb.RouteRequest]) -> None:
        await self._slots.acquire()
        async for request in requests:
            self._group.create_task(self._one(request, self._problem(request)))
            await self._slots.acquire()

    def _problem(self, request: pb.RouteRequest) -> str | None:
        if not request.request_id:
            return "is required in a stream: results come in any order"
        if request.request_id in self._ids:
            return "is in flight already in this stream"
        self._ids.add(request.request_id)
        return None

    async def _one(self, request: pb.RouteRequest, problem: str | None) -> None:
        if problem:
            result = responses.route_result(request.request_id, status.of(InvalidRequestError("request_id", problem)))
        else:
            result = await self._answer(request)
            self._ids.discard(request.request_id)
        async with self._writing:
            await self._write(result)
        self._slots.release()
