"""Serves the HTTP API on a port of its own, where one is set."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.app.listening import connections
from gateway.app.listening.ports import bindable, port_in_use
from gateway.config.groups import Listen

_SHUTDOWN_SECONDS = 5.0
_HANDSHAKE_SECONDS = 10.0
_SILENT = logging.Logger("http")
_SILENT.disabled = True


@asynccontextmanager
async def http_server(
    listen: Listen, application: web.Application, tls: ssl.SSLContext | None, max_connections: int
) -> AsyncIterator[int | None]:
    """Serves `application` while the block runs; gives the port, None where `http_port` is not set.

    Raises:
        PortInUseError: it cannot have the port.
    """
    if listen.http_port is None:
        yield None
        return
    bounded = connections.Connections(max_connections)
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=_SILENT,  # it would repeat every malformed line, a caller's key included
        handler_cancellation=True,
        shutdown_timeout=_SHUTDOWN_SECONDS,
        keepalive_timeout=connections.IDLE_SECONDS,
        auto_decompress=False,  # a compressed body would be inflated before its size is looked at
    )
    await runner.setup()
    server: asyncio.Server | None = None
    try:
        try:
            opened = _socket(listen, listen.http_port)
        except OSError:
            raise port_in_use(listen.host, listen.http_port, "http-port") from None
        assert runner.server is not None  # noqa: S101 - after its setup
        server = await asyncio.get_running_loop().create_server(
            bounded.protocol(runner.server),
            sock=opened,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else _HANDSHAKE_SECONDS,
        )
        yield opened.getsockname()[1]
    finally:
        if server is not None:
            server.close()
        await runner.cleanup()


def _socket(listen: Listen, port: int) -> socket.socket:
    """Listens; for "::" to both families, which asyncio's own sockets do not."""
    host = bindable(listen.host)
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server((host, port), family=family, reuse_port=listen.workers > 1, dualstack_ipv6=host == "::")
