"""The client for threads."""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self, TypeVar, Unpack

import grpc

from routerdc_client.calls import CHANNEL_OPTIONS, DEFAULT_DEADLINE_MS, RouteOptions, metadata, route_request
from routerdc_client.errors import route_errors
from routerdc_client.tls import ClientTls
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


class RouterClient:
    """Asks the gateways behind one address. Threads may share a client; a process that forks makes one afterwards.

    with RouterClient("127.0.0.1:50051") as router:
        llm = router.route("Write a function that reverses a list.").llm
    """

    def __init__(
        self, address: str = "127.0.0.1:50051", *, tls: ClientTls | None = None, api_key: str | None = None
    ) -> None:
        """Prepares the connection to `address` (host:port), which the first call opens.

        `tls` None: the connection is not encrypted, so others on its way can read an `api_key`.

        Raises:
            ValueError: `api_key` cannot travel in a header.
            OSError: a file of `tls` cannot be read.
        """
        self._metadata = metadata(api_key)
        if tls is None:
            self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        else:
            self._channel = grpc.secure_channel(address, tls.credentials(), options=CHANNEL_OPTIONS)
        self._stub = router_pb2_grpc.RouterStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; calls in flight are cancelled."""
        self._channel.close()

    def route(
        self,
        query: str | None = None,
        *,
        deadline_ms: float = DEFAULT_DEADLINE_MS,
        **options: Unpack[RouteOptions],
    ) -> pb.RouteResponse:
        """Returns the decision for one query, or for the chat in `messages`.

        Raises:
            RouteError: the gateway refused, or did not answer within `deadline_ms`.
            TypeError, ValueError: see `route_request`.
        """
        return self._call(self._stub.Route, route_request(query, **options), deadline_ms)

    def route_batch(
        self, requests: Iterable[pb.RouteRequest], *, deadline_ms: float = DEFAULT_DEADLINE_MS
    ) -> list[pb.RouteResult]:
        """Returns the decisions for many requests (see `route_request`).

        Result i answers request i; it holds a response, or the error of this request alone.

        Raises:
            RouteError: the whole batch was refused, or not answered within `deadline_ms`.
        """
        request = pb.RouteBatchRequest(requests=requests)
        return list(self._call(self._stub.RouteBatch, request, deadline_ms).results)

    def route_stream(self, requests: Iterator[pb.RouteRequest]) -> Iterator[pb.RouteResult]:
        """Yields results as they finish, matched to `requests` by request_id, as long as the stream lives.

        Raises:
            RouteError: the stream broke.
        """
        with route_errors():
            yield from self._stub.RouteStream(requests, metadata=self._metadata)

    def report_outcome(
        self,
        endpoint: pb.Endpoint,
        outcome: pb.Outcome.ValueType,
        *,
        latency_ms: float | None = None,
        deadline_ms: float = DEFAULT_DEADLINE_MS,
    ) -> pb.EndpointState.ValueType:
        """Reports how a call to the endpoint of a decision ended; returns the endpoint's state in the gateway.

        Raises:
            RouteError: the gateway refused the report, or did not answer within `deadline_ms`.
        """
        request = pb.ReportOutcomeRequest(endpoint=endpoint, outcome=outcome, latency_ms=latency_ms)
        return self._call(self._stub.ReportOutcome, request, deadline_ms).state

    def list_llms(self, *, deadline_ms: float = DEFAULT_DEADLINE_MS) -> pb.ListLlmsResponse:
        """Returns the pool with its present state.

        Raises:
            RouteError: the gateway refused, or did not answer within `deadline_ms`.
        """
        return self._call(self._stub.ListLlms, pb.ListLlmsRequest(), deadline_ms)

    def _call(
        self, method: "grpc.UnaryUnaryMultiCallable[_Request, _Answer]", request: _Request, deadline_ms: float
    ) -> _Answer:
        """Every unary call: it carries the API key, has a deadline, and raises only RouteError."""
        with route_errors():
            return method(request, timeout=deadline_ms / 1000, metadata=self._metadata)
