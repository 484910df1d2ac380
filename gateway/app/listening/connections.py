"""The connections of an HTTP server: so many at once, not all of them one host's, and none that reads no answer.

aiohttp itself takes every connection, and waits for ever until an answer is read. Does not know what is asked.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import cast

IDLE_SECONDS = 60.0
"""How long a connection may be open without a request, and with answers that nobody reads."""


class Connections:
    """Makes the protocols of a server's connections, each around one that `serve` makes."""

    def __init__(self, limit: int) -> None:
        """One host has at most as many as are left free of `limit`; more are closed at once."""
        self._limit = limit
        self._open: dict[asyncio.BaseTransport, Connection] = {}
        self._by_host: Counter[str] = Counter()

    def protocol(self, serve: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """A factory of protocols, as `loop.create_server` takes it."""
        return lambda: Connection(self, serve)

    def add(self, transport: asyncio.Transport, connection: "Connection") -> bool:
        """Whether there was room."""
        if self._by_host[connection.host] >= self._limit - len(self._open):
            return False
        self._open[transport] = connection
        self._by_host[connection.host] += 1
        return True

    def discard(self, transport: asyncio.Transport) -> None:
        """It is closed, and was added."""
        host = self._open.pop(transport).host
        self._by_host[host] -= 1
        if not self._by_host[host]:
            del self._by_host[host]


class Connection(asyncio.Protocol):
    """Passes everything on to the protocol inside."""

    def __init__(self, connections: Connections, serve: Callable[[], asyncio.Protocol]) -> None:
        self.host = ""
        self._connections = connections
        self._serve = serve
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        transport = cast(asyncio.Transport, transport)  # a stream's
        peer = transport.get_extra_info("peername")
        self.host = str(peer[0]) if peer else ""
        if not self._connections.add(transport, self):
            transport.abort()
            return
        self._transport, self._inner = transport, self._serve()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """See asyncio.Protocol."""
        return None if self._inner is None else self._inner.eof_received()

    def pause_writing(self) -> None:
        """The other side does not read."""
        if self._inner is not None and self._transport is not None:
            self._unread = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._transport.abort)
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self._forget_unread()
        if self._inner is not None:
            self._inner.resume_writing()

    def _forget_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._forget_unread()
        if self._transport is not None:
            self._connections.discard(self._transport)
            self._transport = None
        if self._inner is not None:
            self._inner.connection_lost(error)
