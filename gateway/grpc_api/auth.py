"""API keys of gRPC calls: who calls, how often that caller may, and which LLMs. Only health checks need no key.

Where Envoy asks about HTTP requests, their callers' keys are in these (gateway/openai/auth.py).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import replace
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE

from gateway.domain.query import Report, RouteQuery
from gateway.errors import UnauthenticatedError
from gateway.grpc_api.intake.ending import end
from gateway.grpc_api.intake.peers import host_of
from gateway.limits import caller
from gateway.limits.caller import ANONYMOUS, Callers
from gateway.policy.eligibility import CallerRules
from gateway.telemetry.metrics import Metrics
from routerdc_contract.services import EXTERNAL_PROCESSOR

_OPEN = tuple(f"/{service}/" for service in (HEALTH_SERVICE, EXTERNAL_PROCESSOR))

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


def charge(queries: int) -> None:
    """Counts `queries` against the caller's quota.

    Raises:
        RateLimitedError: they are too many for now.
    """
    calling = caller.current.get()
    if calling is not ANONYMOUS:
        calling.charge(queries)


def authorized(query: RouteQuery, wanted_llms: Collection[str]) -> RouteQuery:
    """`query` with the caller's rules added to its own.

    Raises:
        ForbiddenError: the caller may use none of `wanted_llms`.
    """
    calling = caller.current.get()
    if calling is ANONYMOUS:
        return query
    calling.authorize(wanted_llms)
    return query._replace(rules=(calling.rules, *query.rules), caller=calling.name)


def reported(report: Report) -> Report:
    """`report` with its caller, and what that caller may use."""
    name, rules = rights()
    return replace(report, caller=name, rules=rules)


def rights() -> tuple[str, tuple[CallerRules, ...]]:
    """The caller: the API key's name and rules; empty and none where no keys are asked for."""
    calling = caller.current.get()
    return ("", ()) if calling is ANONYMOUS else (calling.name, (calling.rules,))


def caller_of(context: Any) -> str:
    """What tells callers from each other: the API key's name, or the host where no keys are asked for."""
    calling = caller.current.get()
    return host_of(context) if calling is ANONYMOUS else calling.name


def _refusal(message: str) -> Handler:
    """A handler that ends calls of every kind without waiting for what the caller sends."""

    async def refuse(request_iterator: AsyncIterator[Any], context: Any) -> None:
        await end(context, grpc.StatusCode.UNAUTHENTICATED, message)

    return grpc.stream_stream_rpc_method_handler(refuse)
