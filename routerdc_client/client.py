"""Python clients of the router, sync and async, for programs that want a decision.

    with RouterClient("127.0.0.1:50051") as router:
        decision = router.route("Write a function that reverses a list.", deadline_ms=50)

Every call has a deadline; a stream lives as long as its caller wants. Calls that the gateway refused before doing
anything (RESOURCE_EXHAUSTED) or that did not reach one (UNAVAILABLE) are tried again within the deadline, by grpc's own
retries: with growing pauses, or after the time that the gateway asked for. Does not know the rest of the gateway.
"""

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict, Unpack

import grpc
from google.rpc import error_details_pb2
from grpc import aio
from grpc_status import rpc_status

from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc

DEFAULT_DEADLINE_MS = 1000.0

_RETRIES = {
    "maxAttempts": 4,
    "initialBackoff": "0.02s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    # CANCELLED, unless the caller cancelled, is what a stopping server answers to calls that it had not looked
    # at yet (https://github.com/grpc/grpc/issues/41785).
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
}
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],  # over every gateway behind the name
    "methodConfig": [{"name": [{"service": "routerdc.v1.Router"}], "retryPolicy": _RETRIES}],
}
_CHANNEL_OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
]


class RouteError(Exception):
    """The gateway gave no decision. `code` is gRPC's; `fields` names what is wrong with the request, if that is it."""

    def __init__(self, code: grpc.StatusCode, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message
        self.fields = fields


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Files in PEM: who vouches for the gateway (None: the system's authorities), and the caller's own certificate."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files.

        Raises:
            OSError: one cannot be read.
        """
        files = (self.ca_file, self.key_file, self.cert_file)
        ca, key, cert = (None if file is None else file.read_bytes() for file in files)
        return grpc.ssl_channel_credentials(ca, key, cert)


class RouteOptions(TypedDict, total=False):
    """What else a request may say; see RouteRequest in router.proto."""

    messages: Sequence[Mapping[str, object]]  # a chat in OpenAI's form, instead of a query
    allowed_llms: Iterable[str]
    denied_llms: Iterable[str]
    cost_weight: float | None
    max_price: float | None
    min_margin: float | None
    min_confidence: float | None
    max_candidates: int
    request_id: str
    session_id: str


def route_request(query: str | None = None, **options: Unpack[RouteOptions]) -> pb.RouteRequest:
    """One request, from a query or from `messages` (whose content is a string or an array of parts)."""
    request = pb.RouteRequest(
        allowed_llms=options.get("allowed_llms", ()),
        denied_llms=options.get("denied_llms", ()),
        cost_weight=options.get("cost_weight"),
        max_price=options.get("max_price"),
        min_margin=options.get("min_margin"),
        min_confidence=options.get("min_confidence"),
        max_candidates=options.get("max_candidates", 0),
        request_id=options.get("request_id", ""),
        session_id=options.get("session_id", ""),
    )
    if query is not None:
        request.query = query
    if messages := options.get("messages"):
        request.chat.messages.extend(_message(message) for message in messages)
    return request


class RouterClient:
    """Asks one gateway; thread-safe."""

    def __init__(
        self, address: str = "127.0.0.1:50051", *, tls: ClientTls | None = None, api_key: str | None = None
    ) -> None:
        """`address` is host:port; the connection is made at the first call.

        `tls` None: a connection without TLS, on which others can read an `api_key`.
        """
        if tls is None:
            self._channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        else:
            self._channel = grpc.secure_channel(address, tls.credentials(), options=_CHANNEL_OPTIONS)
        self._metadata = _metadata(api_key)
        self._stub = router_pb2_grpc.RouterStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; calls in flight are cancelled."""
        self._channel.close()

    def route(
        self,
        query: str | None = None,
        *,
        deadline_ms: float = DEFAULT_DEADLINE_MS,
        **options: Unpack[RouteOptions],
    ) -> pb.RouteResponse:
        """The decision for one query.

        Raises:
            RouteError: there is none.
        """
        try:
            return self._stub.Route(
                route_request(query, **options), timeout=deadline_ms / 1000, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise _translated(error) from None

    def route_batch(
        self, requests: Iterable[pb.RouteRequest], *, deadline_ms: float = DEFAULT_DEADLINE_MS
    ) -> list[pb.RouteResult]:
        """Decisions for many requests (see `route_request`): result i belongs to request i, and may be an error.

        Raises:
            RouteError: the whole batch was refused.
        """
        try:
            answer = self._stub.RouteBatch(
                pb.RouteBatchRequest(requests=requests), timeout=deadline_ms / 1000, metadata=self._metadata
            )
        except grpc.RpcError as error:
            raise _translated(error) from None
        return list(answer.results)

    def report_outcome(
        self,
        endpoint: pb.Endpoint,
        outcome: pb.Outcome.ValueType,
        *,
        latency_ms: float | None = None,
        deadline_ms: float = DEFAULT_DEADLINE_MS,
    ) -> pb.EndpointState.ValueType:
        """Tells how a call to the endpoint of a decision ended; the answer is what the gateway thinks of it now.

        Raises:
            RouteError: the gateway did not take it.
        """
        request = pb.ReportOutcomeRequest(endpoint=endpoint, outcome=outcome, latency_ms=latency_ms)
        try:
            return self._stub.ReportOutcome(request, timeout=deadline_ms / 1000).state
        except grpc.RpcError as error:
            raise _translated(error) from None

    def list_llms(self, *, deadline_ms: float = DEFAULT_DEADLINE_MS) -> pb.ListLlmsResponse:
        """The pool as it is now.

        Raises:
            RouteError: the gateway did not answer.
        """
        try:
            return self._stub.ListLlms(pb.ListLlmsRequest(), timeout=deadline_ms / 1000, metadata=self._metadata)
        except grpc.RpcError as error:
            raise _translated(error) from None


class AsyncRouterClient:
    """The same for asyncio; cancelling a call cancels it in the gateway, and in Triton."""

    def __init__(
        self, address: str = "127.0.0.1:50051", *, tls: ClientTls | None = None, api_key: str | None = None
    ) -> None:
        """See `RouterClient`."""
        if tls is None:
            self._channel = aio.insecure_channel(address, options=_CHANNEL_OPTIONS)
        else:
            self._channel = aio.secure_channel(address, tls.credentials(), options=_CHANNEL_OPTIONS)
        self._metadata = _metadata(api_key)
        self._stub: router_pb2_grpc.RouterAsyncStub = router_pb2_grpc.RouterStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection; calls in flight are cancelled."""
        await self._channel.close()

    async def route(
        self,
        query: str | None = None,
        *,
        deadline_ms: float = DEFAULT_DEADLINE_MS,
        **options: Unpack[RouteOptions],
    ) -> pb.RouteResponse:
        """See `RouterClient.route`."""
        try:
            return await self._stub.Route(
                route_request(query, **options), timeout=deadline_ms / 1000, metadata=self._metadata
            )
        except aio.AioRpcError as error:
            raise _translated(error) from None

    async def route_batch(
        self, requests: Iterable[pb.RouteRequest], *, deadline_ms: float = DEFAULT_DEADLINE_MS
    ) -> list[pb.RouteResult]:
        """See `RouterClient.route_batch`."""
        try:
            answer = await self._stub.RouteBatch(
                pb.RouteBatchRequest(requests=requests), timeout=deadline_ms / 1000, metadata=self._metadata
            )
        except aio.AioRpcError as error:
            raise _translated(error) from None
        return list(answer.results)

    async def route_stream(self, requests: AsyncIterator[pb.RouteRequest]) -> AsyncIterator[pb.RouteResult]:
        """Results as they finish, matched to `requests` by request_id, for as long as the stream lives.

        Raises:
            RouteError: the stream broke.
        """
        try:
            async for result in self._stub.RouteStream(requests, metadata=self._metadata):
                yield result
        except aio.AioRpcError as error:
            raise _translated(error) from None

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
        try:
            return (await self._stub.ReportOutcome(request, timeout=deadline_ms / 1000)).state
        except aio.AioRpcError as error:
            raise _translated(error) from None

    async def list_llms(self, *, deadline_ms: float = DEFAULT_DEADLINE_MS) -> pb.ListLlmsResponse:
        """See `RouterClient.list_llms`."""
        try:
            return await self._stub.ListLlms(pb.ListLlmsRequest(), timeout=deadline_ms / 1000, metadata=self._metadata)
        except aio.AioRpcError as error:
            raise _translated(error) from None


def _metadata(api_key: str | None) -> tuple[tuple[str, str], ...]:
    return () if api_key is None else (("authorization", f"Bearer {api_key}"),)


def _message(message: Mapping[str, object]) -> pb.ChatMessage:
    role, content = str(message.get("role", "")), message.get("content")
    if isinstance(content, list):
        parts = [pb.ContentPart(type=part.get("type", ""), text=part.get("text", "")) for part in content]
        return pb.ChatMessage(role=role, parts=parts)
    return pb.ChatMessage(role=role, content=str(content or ""))


def _translated(error: grpc.RpcError | aio.AioRpcError) -> RouteError:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # both kinds of error are calls
    fields: list[str] = []
    for detail in status.details if status else ():
        bad_request = error_details_pb2.BadRequest()
        if detail.Unpack(bad_request):
            fields += [violation.field for violation in bad_request.field_violations]
    return RouteError(error.code(), error.details() or "no details", tuple(fields))
