"""The gRPC service `routerdc.v1.Router`: convert, await, convert.

Knows protobuf and grpc's server side; decides nothing.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
import structlog
from google.rpc import code_pb2, status_pb2

from gateway.domain.decision import Decision
from gateway.domain.query import Priority, RouteQuery
from gateway.errors import ForbiddenError, GatewayError, InvalidRequestError
from gateway.grpc_api import responses, status
from gateway.grpc_api.requests import checked, checked_report
from gateway.grpc_api.stream import Streams
from gateway.limits import caller as callers
from gateway.limits.caller import ANONYMOUS
from gateway.routing.router import Router
from gateway.telemetry.metrics import Metrics
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc

log = structlog.get_logger("gateway.grpc_api.servicer")

_STATUS_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_STATUS_DETAILS_KEY = "grpc-status-details-bin"
_RETRY_PUSHBACK_KEY = "grpc-retry-pushback-ms"  # grpc's own retries wait that long (gRFC A6)

Context = Any  # grpc.aio.ServicerContext; the generated stubs and types-grpcio do not agree on its type


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may ask for, and how long it may take."""

    deadline_seconds: float
    batch_deadline_seconds: float
    deadline_reserve_seconds: float
    max_query_bytes: int
    max_batch_queries: int
    max_stream_in_flight: int


class RouterServicer(router_pb2_grpc.RouterServicer):
    """Serves a `Router`."""

    def __init__(self, router: Router, metrics: Metrics, limits: Limits) -> None:
        self._router = router
        self._metrics = metrics
        self._limits = limits
        self._streams = Streams(limits.max_stream_in_flight)

    async def Route(self, request: pb.RouteRequest, context: Context) -> pb.RouteResponse:  # noqa: N802
        """Decides for one query; a cancelled call cancels the scoring that only it waits for."""
        try:
            callers.current.get().charge(1)
            decision = await self._router.route(
                self._checked(request), self._deadline(context, self._limits.deadline_seconds)
            )
        except Exception as error:
            await self._abort(context, self._status(error, request.request_id))
        return responses.route_response(decision)

    async def RouteBatch(self, request: pb.RouteBatchRequest, context: Context) -> pb.RouteBatchResponse:  # noqa: N802
        """Decides for many queries; a bad one fails alone."""
        try:
            outcomes = await self._outcomes(request, context)
        except Exception as error:
            await self._abort(context, self._status(error, ""))
        return pb.RouteBatchResponse(
            results=[responses.route_result(r.request_id, o) for r, o in zip(request.requests, outcomes, strict=True)]
        )

    async def RouteStream(self, request_iterator: AsyncIterator[pb.RouteRequest], context: Context) -> None:  # type: ignore[override]  # noqa: N802
        """Decides for queries as they come, and sends each result when it is ready."""

        async def answer(request: pb.RouteRequest) -> pb.RouteResult:
            return await self._result(request, context)

        drained = await self._streams.serve(request_iterator, answer, context.write)
        if drained:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the gateway is shutting down; open the stream again")

    async def ReportOutcome(self, request: pb.ReportOutcomeRequest, context: Context) -> pb.ReportOutcomeResponse:  # noqa: N802
        """Takes note of how a call to an endpoint ended."""
        try:
            state = self._router.report(checked_report(request))
        except Exception as error:
            await self._abort(context, self._status(error, ""))
        return responses.report_response(state)

    async def ListLlms(self, request: pb.ListLlmsRequest, context: Context) -> pb.ListLlmsResponse:  # noqa: N802
        """The pool with the present state of every endpoint."""
        return responses.list_response(self._router.pool, self._router.bundle_id)

    def drain(self) -> None:
        """Lets open streams answer what they have read, and end."""
        self._streams.drain()

    async def _outcomes(self, request: pb.RouteBatchRequest, context: Context) -> list[Decision | status_pb2.Status]:
        if len(request.requests) > self._limits.max_batch_queries:
            problem = f"{len(request.requests)} queries, the limit is {self._limits.max_batch_queries}: split the batch"
            raise InvalidRequestError("requests", problem)
        callers.current.get().charge(len(request.requests))
        outcomes: list[Decision | status_pb2.Status | None] = [None] * len(request.requests)
        queries: dict[int, RouteQuery] = {}
        for i, row in enumerate(request.requests):
            try:
                queries[i] = self._checked(row, Priority.BATCH)
            except (InvalidRequestError, ForbiddenError) as error:
                outcomes[i] = self._status(error, row.request_id)
        deadline = self._deadline(context, self._limits.batch_deadline_seconds)
        decided = await self._router.route_many(list(queries.values()), deadline)
        for i, outcome in zip(queries, decided, strict=True):
            outcomes[i] = outcome if isinstance(outcome, Decision) else self._status(outcome, queries[i].request_id)
        return [outcome for outcome in outcomes if outcome is not None]

    async def _result(self, request: pb.RouteRequest, context: Context) -> pb.RouteResult:
        try:
            callers.current.get().charge(1)
            decision = await self._router.route(
                self._checked(request), self._deadline(context, self._limits.deadline_seconds)
            )
        except Exception as error:
            return responses.route_result(request.request_id, self._status(error, request.request_id))
        return responses.route_result(request.request_id, decision)

    def _checked(self, request: pb.RouteRequest, priority: Priority = Priority.INTERACTIVE) -> RouteQuery:
        query = checked(request, self._router.pool.names, self._limits.max_query_bytes, priority)
        caller = callers.current.get()
        if caller is ANONYMOUS:
            return query
        caller.authorize(request.allowed_llms)
        return query._replace(rules=(caller.rules, *query.rules), caller=caller.name)

    def _deadline(self, context: Context, seconds: float) -> float:
        """When to have decided: `seconds` from now, or less where the caller will be gone by then."""
        remaining = context.time_remaining()
        if remaining is not None:
            seconds = min(seconds, remaining - self._limits.deadline_reserve_seconds)
        return time.monotonic() + seconds

    def _status(self, error: BaseException, request_id: str) -> status_pb2.Status:
        answer = status.of(error)
        self._metrics.error(code_pb2.Code.Name(answer.code))
        if isinstance(error, GatewayError):
            log.debug(
                "refused", request_id=request_id, code=code_pb2.Code.Name(answer.code), error=type(error).__name__
            )
        else:
            log.error("internal error", request_id=request_id, exc_info=error)
        return answer

    async def _abort(self, context: Context, answer: status_pb2.Status) -> NoReturn:
        metadata: list[tuple[str, str | bytes]] = [(_STATUS_DETAILS_KEY, answer.SerializeToString())]
        if (pushback_ms := status.retry_delay_ms(answer)) is not None:
            metadata.append((_RETRY_PUSHBACK_KEY, str(pushback_ms)))
        await context.abort(_STATUS_CODES[answer.code], answer.message, tuple(metadata))
        raise AssertionError("abort returned")  # for the type checker: abort always raises
