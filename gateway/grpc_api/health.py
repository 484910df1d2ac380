"""The standard health service (grpc.health.v1), for callers who need no API key.

Every watcher waits by itself: one that leaves, or does not read, keeps nothing from the others. Because no key is
asked for, a call may cost little: a request that is not complete at once is refused, and one host may watch only so
often. Does not know what makes a service healthy.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1.health import SERVICE_NAME

from gateway.grpc_api.intake.guard import Intake
from gateway.grpc_api.intake.peers import host_of

MAX_WATCHERS_PER_HOST = 100
MOST_LOOKS = 5  # of the intake guard, that a request has to arrive

Status: TypeAlias = Any  # one of pb.HealthCheckResponse.ServingStatus; the stubs know no name for it
Context = Any  # grpc.aio.ServicerContext; types-grpcio does not know its `write`


class HealthService:
    """The status of each service, for those who ask once and those who watch."""

    def __init__(self) -> None:
        self._statuses: dict[str, Status] = {}
        self._changed = asyncio.Event()
        self._watchers: Counter[str] = Counter()
        self._draining = self._ended = False

    def set(self, services: Sequence[str], status: Status) -> None:
        """From now on `services` have `status`; without effect once the server drains."""
        if not self._draining:
            self._publish(services, status)

    def drain(self) -> None:
        """No service serves from now on, for good."""
        self._draining = True
        self._publish(tuple(self._statuses), pb.HealthCheckResponse.NOT_SERVING)

    def end(self) -> None:
        """Ends all watching, so that nobody who watches holds up the server's end."""
        self._ended = True
        self._publish((), pb.HealthCheckResponse.NOT_SERVING)

    def add_to(self, server: aio.Server, intake: Intake) -> None:
        """Lets `server` answer for it; `intake` bounds what requests cost on their way."""
        kinds = pb.HealthCheckRequest.FromString, pb.HealthCheckResponse.SerializeToString
        handlers = {
            "Check": grpc.stream_unary_rpc_method_handler(intake.unary(self.check, MOST_LOOKS), *kinds),
            "Watch": grpc.stream_stream_rpc_method_handler(intake.unary(self.watch, MOST_LOOKS), *kinds),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, handlers),))

    async def check(self, request: pb.HealthCheckRequest, context: Context) -> pb.HealthCheckResponse:
        """The status of one service; NOT_FOUND where there is no such."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service")
        return pb.HealthCheckResponse(status=status)

    async def watch(self, request: pb.HealthCheckRequest, context: Context) -> None:
        """The status of one service now and after each change."""
        service, host = request.service, host_of(context)
        if self._watchers[host] >= MAX_WATCHERS_PER_HOST:
            problem = f"{MAX_WATCHERS_PER_HOST} calls watch from this host already"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, problem)
        self._watchers[host] += 1
        try:
            await self._tell(service if service in self._statuses else None, context)
        finally:
            self._watchers[host] -= 1
            self._watchers += Counter()  # forgets hosts with none

    async def _tell(self, service: str | None, context: Context) -> None:
        told = None
        while not self._ended:
            changed = self._changed
            unknown = pb.HealthCheckResponse.SERVICE_UNKNOWN
            status = unknown if service is None else self._statuses[service]
            if status != told:
                await context.write(pb.HealthCheckResponse(status=status))
                told = status
            await changed.wait()

    def _publish(self, services: Sequence[str], status: Status) -> None:
        self._statuses.update(dict.fromkeys(services, status))
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
