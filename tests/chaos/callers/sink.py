"""A sink in a gateway's place, which takes in what callers send, and ends each of their calls after a moment.

    python -m tests.chaos.callers.sink PORT_FILE

The same callers beside it say what of others' waiting is made by the callers' own work on this machine, and not by what
a gateway does with what they send. It goes on until it is stopped.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from tests.integration.gateway.frames import ACK, SETTINGS, frame

SECONDS = 0.05  # of a call: as long as the gateway's health service waits for a request
RESET, WINDOW_UPDATE = 3, 8
_MOST = 2**31 - 1
_ANY_AMOUNT = (
    frame(SETTINGS, 0, 0, b"\x00\x04" + _MOST.to_bytes(4, "big"))
    + frame(WINDOW_UPDATE, 0, 0, (_MOST - 65535).to_bytes(4, "big"))
    + frame(SETTINGS, ACK, 0)
)
_REFUSED = frame(RESET, 0, 1, (11).to_bytes(4, "big"))  # ENHANCE_YOUR_CALM; each caller has one call on a connection


async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All that comes on one connection."""
    writer.write(_ANY_AMOUNT)
    asyncio.get_running_loop().call_later(SECONDS, writer.write, _REFUSED)
    with suppress(ConnectionError):
        while await reader.read(2**20):
            pass
    writer.close()


async def main(port_file: Path) -> None:
    """Serves for ever."""
    server = await asyncio.start_server(take, "127.0.0.1", 0, limit=2**20)
    draft = port_file.with_suffix(".draft")
    draft.write_text(str(server.sockets[0].getsockname()[1]), encoding="utf-8")
    draft.rename(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
