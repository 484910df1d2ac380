"""The gRPC service `routerdc.v1.Router`: convert, await, convert.

Knows protobuf and grpc's server side; decides nothing.
"""

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import grpc
from google.rpc import status_pb2

from gateway.config.groups import Deadlines, Limits
from gateway.domain.decision import Decision
from gateway.domain.query import Priority, RouteQuery
from gateway.domain.turns import in_turns
from gateway.errors import ForbiddenError, GatewayError, InvalidRequestError
from gateway.grpc_api import answering, auth, responses
from gateway.grpc_api.answering import answered
from gateway.grpc_api.requests import checked, checked_report
from gateway.grpc_api.stream import Streams
from gateway.routing.router import Router
from gateway.telemetry.metrics import Metrics
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc

Context = Any  # grpc.aio.ServicerContext; the generated stubs and types-grpcio do not agree on its type


class RouterServicer(router_pb2_grpc.RouterServicer):
    """Serves a `Router`."""

    def __init__(self, router: Router, metrics: Metrics, limits: Limits, deadlines: Deadlines) -> None:
        self.metrics = metrics
        self._router = router
        self._limits = limits
        self._deadlines = deadlines
        self._streams = Streams(limits)

    @answered
    async def Route(self, request: pb.RouteRequest, context: Context) -> pb.RouteResponse:  # noqa: N802
        """Decides for one query; a cancelled call cancels the scoring that only it waits for."""
        return responses.route_response(await self._decided(request, context))

    @answered
    async def RouteBatch(self, request: pb.RouteBatchRequest, context: Context) -> pb.RouteBatchResponse:  # noqa: N802
        """Decides for many queries; a bad one fails alone."""
        self._limits.check_batch(len(request.requests))
        auth.charge(len(request.requests))
        rows = [self._row(row) async for row in in_turns(request.requests)]
        queries = [row for row in rows if isinstance(row, RouteQuery)]
        decided = iter(await self._router.route_many(queries, self._deadlines.of_batch(context.time_remaining())))
        return pb.RouteBatchResponse(
            results=[
                self._result(request, next(decided) if isinstance(row, RouteQuery) else row)
                async for request, row in in_turns(zip(request.requests, rows, strict=True))
            ]
        )

    async def RouteStream(self, request_iterator: AsyncIterator[pb.RouteRequest], context: Context) -> None:  # type: ignore[override]  # noqa: N802
        """Decides for queries as they come, and sends each result when it is ready."""

        async def answer(request: Any, problem: GatewayError | None) -> pb.RouteResult:
            try:
                if problem is not None:
                    raise problem
                return self._result(request, await self._decided(request, context))
            except Exception as error:
                return self._result(request, error)

        caller = auth.caller_of(context)
        if not self._streams.has_room(caller):
            problem = f"{caller} has {self._limits.max_streams} streams open; close one, or send more in each"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, problem)
        # A proxy sees that it is answered, however long no request comes: Envoy's time for a whole request ends there.
        await context.send_initial_metadata(())
        if await self._streams.serve(caller, request_iterator, answer, context.write):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the gateway is shutting down; open the stream again")

    @answered
    async def ReportOutcome(self, request: pb.ReportOutcomeRequest, context: Context) -> pb.ReportOutcomeResponse:  # noqa: N802
        """Takes note of how a call to an endpoint ended."""
        auth.charge(1)
        return responses.report_response(self._router.report(auth.reported(checked_report(request))))

    @answered
    async def ListLlms(self, request: pb.ListLlmsRequest, context: Context) -> pb.ListLlmsResponse:  # noqa: N802
        """Lists the pool, as far as the caller may use it."""
        return responses.list_response(self._router.pool, self._router.bundle_id, *auth.rights())

    def drain(self) -> None:
        """Lets open streams answer what they have read, and end."""
        self._streams.drain()

    def _decided(self, request: pb.RouteRequest, context: Context) -> Awaitable[Decision]:
        auth.charge(1)
        return self._router.route(self._checked(request), self._deadlines.of_query(context.time_remaining()))

    def _checked(self, request: pb.RouteRequest, priority: Priority = Priority.INTERACTIVE) -> RouteQuery:
        query = checked(request, self._router.pool.names, self._limits.max_query_bytes, priority)
        return auth.authorized(query, request.allowed_llms)

    def _row(self, request: pb.RouteRequest) -> RouteQuery | InvalidRequestError | ForbiddenError:
        try:
            return self._checked(request, Priority.BATCH)
        except (InvalidRequestError, ForbiddenError) as error:
            return error

    def _result(self, request: pb.RouteRequest, outcome: Decision | BaseException) -> pb.RouteResult:
        request_id = answering.shown_id(request)
        told: Decision | status_pb2.Status = (
            outcome if isinstance(outcome, Decision) else answering.of(outcome, request_id, self.metrics)
        )
        return responses.route_result(request_id, told)
