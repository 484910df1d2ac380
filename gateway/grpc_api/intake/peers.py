"""The host at the other end of a call, where no API key names the caller."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote

import grpc
from grpc import aio

_FORWARDED_FOR = "x-forwarded-for"
forwarded: ContextVar[str] = ContextVar("forwarded", default="")
"""The host for which an Envoy passes the current call on; empty where no Envoy does."""

Handler = Any  # grpc.RpcMethodHandler; generic in types-grpcio only


class Forwarded(aio.ServerInterceptor):
    """Takes an Envoy's word for whom it calls; only for a server that nobody but Envoys reaches."""

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]], details: grpc.HandlerCallDetails
    ) -> Handler:
        """Remembers the last address: Envoy adds the one that it saw, behind what its caller may have made up."""
        metadata: dict[str, Any] = dict(details.invocation_metadata or ())
        forwarded.set(str(metadata.get(_FORWARDED_FOR, "")).rpartition(",")[2].strip())
        return await continuation(details)


def host_of(context: Any) -> str:
    """The caller's host without the port: every connection of one host counts as one caller."""
    return forwarded.get() or connected_host(context)


def connected_host(context: Any) -> str:
    """The same, whatever an Envoy says."""
    peer = unquote(context.peer())  # "ipv4:10.0.0.7:51234", "ipv6:[::1]:51234", "unix:…"
    return peer if peer.startswith("unix") else peer.rpartition(":")[0]
