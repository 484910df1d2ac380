"""Serves the HTTP API on a port of its own, where one is set."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.app.ports import port_in_use
from gateway.config.groups import Listen

_SHUTDOWN_SECONDS = 5.0


@asynccontextmanager
async def http_server(
    listen: Listen, application: web.Application, tls: ssl.SSLContext | None
) -> AsyncIterator[int | None]:
    """Serves `application` while the block runs; gives the port, None where `http_port` is not set.

    Raises:
        PortInUseError: it cannot have the port.
    """
    if listen.http_port is None:
        yield None
        return
    runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(
            runner, listen.host.strip("[]"), listen.http_port, ssl_context=tls, reuse_port=listen.workers > 1
        )
        try:
            await site.start()
        except OSError:
            raise port_in_use(listen.host, listen.http_port, "http-port") from None
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
