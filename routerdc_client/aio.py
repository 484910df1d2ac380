"""The client for asyncio: the same calls as `routerdc_client.sync`, awaited."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Self, TypeVar, Unpack

import grpc
from grpc import aio

from routerdc_client.calls import CHANNEL_OPTIONS, DEFAULT_DEADLINE_MS, RouteOptions, metadata, route_request
from routerdc_client.errors import RouteError, route_errors
from routerdc_client.tls import ClientTls
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")
MAX_IN_FLIGHT = 512
"""Calls at once; others wait here. A gateway refuses what is above 1,024 on one connection, and counts ended calls that
it has not cleared away yet."""


class AsyncRouterClient:
    """Asks the gateways behind one address. Cancelling a call cancels it in the gateway, and in Triton.

    async with AsyncRouterClient("127.0.0.1:50051") as router:
        llm = (await router.route("Write a function that reverses a list.")).llm
    """

    def __init__(
        self, address: str = "127.0.0.1:50051", *, tls: ClientTls | None = None, api_key: str | None = None
    ) -> None:
        """See `RouterClient`."""
        self._metadata = metadata(api_key)
        if tls is None:
            self._channel = aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        else:
            self._channel = aio.secure_channel(address, tls.credentials(), options=CHANNEL_OPTIONS)
        self._room = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._stub: router_pb2_grpc.RouterAsyncStub = router_pb2_grpc.RouterStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; calls in flight are cancelled."""
        await self._channel.close()

    async def route(
        self,
        query: str | None = None,
        *,
        deadline_ms: float = DEFAULT_DEADLINE_MS,
        **options: Unpack[RouteOptions],
    ) -> pb.RouteResponse:
        """See `RouterClient.route`."""
        return await self._call(self._stub.Route, route_request(query, **options), deadline_ms)

    async def route_batch(
        self, requests: Iterable[pb.RouteRequest], *, deadline_ms: float = DEFAULT_DEADLINE_MS
    ) -> list[pb.RouteResult]:
        """See `RouterClient.route_batch`."""
        request = pb.RouteBatchRequest(requests=requests)
        return list((await self._call(self._stub.RouteBatch, request, deadline_ms)).results)

    async def route_stream(self, requests: AsyncIterator[pb.RouteRequest]) -> AsyncIterator[pb.RouteResult]:
        """See `RouterClient.route_stream`."""
        with route_errors():
            async for result in self._stub.RouteStream(requests, metadata=self._metadata):
                yield result

    async def report_outcome(
        self,
        endpoint: pb.Endpoint,
        outcome: pb.Outcome.ValueType,
        *,
        latency_ms: float | None = None,
        deadline_ms: float = DEFAULT_DEADLINE_MS,
    ) -> pb.EndpointState.ValueType:
        """See `RouterClient.report_outcome`."""
        request = pb.ReportOutcomeRequest(endpoint=endpoint, outcome=outcome, latency_ms=latency_ms)
        return (await self._call(self._stub.ReportOutcome, request, deadline_ms)).state

    async def list_llms(self, *, deadline_ms: float = DEFAULT_DEADLINE_MS) -> pb.ListLlmsResponse:
        """See `RouterClient.list_llms`."""
        return await self._call(self._stub.ListLlms, pb.ListLlmsRequest(), deadline_ms)

    async def _call(
        self, method: "aio.UnaryUnaryMultiCallable[_Request, _Answer]", request: _Request, deadline_ms: float
    ) -> _Answer:
        """Every unary call: it carries the API key, has a deadline, and raises only RouteError."""
        deadline = asyncio.get_running_loop().time() + deadline_ms / 1000
        try:
            async with asyncio.timeout_at(deadline):
                await self._room.acquire()
        except TimeoutError:
            message = f"{MAX_IN_FLIGHT} calls of this client were in flight until the deadline"
            raise RouteError(grpc.StatusCode.DEADLINE_EXCEEDED, message) from None
        try:
            with route_errors():
                left = deadline - asyncio.get_running_loop().time()
                return await method(request, timeout=left, metadata=self._metadata)
        finally:
            self._room.release()
