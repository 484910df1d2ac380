"""gRPC's side of API keys: every call must bring one, but for health checks and Envoy's.

Envoy speaks for others: their keys are in the HTTP requests that it asks about (gateway/openai/routing.py). Knows
nothing of what a key allows.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE

from gateway.errors import UnauthenticatedError
from gateway.limits import caller
from gateway.limits.caller import Callers
from gateway.telemetry.metrics import Metrics
from routerdc_contract.services import EXTERNAL_PROCESSOR

_OPEN = (f"/{HEALTH_SERVICE}/", f"/{EXTERNAL_PROCESSOR}/")

Handler = Any  # grpc.RpcMethodHandler; generic in types-grpcio only
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]


class Authentication(aio.ServerInterceptor):
    """Finds out who calls, for `callers.current`."""

    def __init__(self, known: Callers, metrics: Metrics) -> None:
        self._callers = known
        self._metrics = metrics

    async def intercept_service(self, continuation: Continuation, details: grpc.HandlerCallDetails) -> Handler:
        """Passes the call on, or ends it with UNAUTHENTICATED."""
        if str(details.method).startswith(_OPEN):
            return await continuation(details)
        metadata: dict[str, Any] = dict(details.invocation_metadata or ())
        try:
            caller.current.set(self._callers.identify(metadata.get("authorization")))
        except UnauthenticatedError as error:
            self._metrics.error(grpc.StatusCode.UNAUTHENTICATED.name)
            return _refusal(str(error))
        return await continuation(details)


def _refusal(message: str) -> Handler:
    """A handler that ends calls of every kind without waiting for what the caller sends."""

    async def refuse(request_iterator: AsyncIterator[Any], context: Any) -> None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, message)

    return grpc.stream_stream_rpc_method_handler(refuse)
