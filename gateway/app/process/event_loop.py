"""The event loop: uvloop's, which does not wait for name servers when it closes.

uvloop looks names up in threads of its C library. One that has begun cannot be given up, and closing the loop waits for
it: a name server that does not answer takes half a minute and more, for whatever timeout the caller has long gone on.
"""

import asyncio
import socket
from typing import Any

import uvloop

from gateway.config.file_reads import start_read


class Loop(uvloop.Loop):
    """Looks names up in daemon threads, one for each question, however many ask it before it is answered."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: dict[tuple[Any, ...], asyncio.Future[list[Any]]] = {}

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        """See `socket.getaddrinfo`. Where this is cancelled, its thread goes on for nobody.

        Raises:
            socket.gaierror: the name has no address, or no name server has said so.
        """
        question = (host, port, family, type, proto, flags)
        if question not in self._asked:
            answer = start_read("addresses", lambda: socket.getaddrinfo(*question))
            self._asked[question] = answer
            answer.add_done_callback(lambda _: self._asked.pop(question))
        return await asyncio.shield(self._asked[question])
