"""A caller who keeps to the letter of HTTP/2 alone, and goes on until it is stopped.

    python -m tests.support.floods headers|settings ADDRESS BEGUN_FILE

`headers`: half a million headers in each request, before the server's settings are acknowledged, which grpc's limit
waits for. `settings`: settings without end, each of which has to be acknowledged. Either sends as much as a line of a
gigabit a second takes, one connection after the other.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from tests.support.frames import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    HEADERS,
    PREFACE,
    SETTINGS,
    call_headers,
    frame,
    header,
)

LINE_BYTES_PER_SECOND = 120_000_000
BLOCKS = 154  # as many as grpc takes before the acknowledgement
_BLOCK = header(b"a", b"b") * 3200
_BEGIN = PREFACE + frame(SETTINGS, 0, 0)
FLOODS = {
    "headers": [
        _BEGIN + frame(HEADERS, 0, 1, call_headers(b"/v1/chat/completions")),
        *([frame(CONTINUATION, 0, 1, _BLOCK)] * BLOCKS),
        frame(CONTINUATION, END_HEADERS, 1, _BLOCK),
    ],
    "settings": [_BEGIN + frame(SETTINGS, ACK, 0), *([frame(SETTINGS, 0, 0) * 1000] * 1000)],
}


async def flood(pieces: list[bytes], host: str, port: int, most_seconds: float = 5) -> None:
    """One connection; it ends where the server has enough, after its last piece, or after so long."""
    reader, writer = await asyncio.open_connection(host, port)
    answers = asyncio.create_task(reader.read())  # so that the server never waits for us
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(most_seconds):
            loop = asyncio.get_running_loop()
            due = loop.time()
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                due += len(piece) / LINE_BYTES_PER_SECOND
                await asyncio.sleep(due - loop.time())
    answers.cancel()
    await asyncio.wait([answers])
    writer.transport.abort()


def main(kind: str, address: str, begun_file: str) -> None:
    """Connects again and again."""
    host, _, port = address.rpartition(":")
    while True:
        asyncio.run(flood(FLOODS[kind], host, int(port)))
        Path(begun_file).touch()


if __name__ == "__main__":
    main(*sys.argv[1:])
