"""HTTP/2 as no library would send it: frames of a caller who keeps to the letter of the protocol alone."""

import asyncio

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 1, 3, 4, 6, 9
ACK, END_HEADERS = 1, 4
CANCEL = (8).to_bytes(4, "big")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def header(name: bytes, value: bytes) -> bytes:
    """One header in HPACK, by its letters."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def call_headers(path: bytes) -> bytes:
    """Those that begin a gRPC call, as one block."""
    names = {b":method": b"POST", b":scheme": b"http", b":path": path, b":authority": b"a"}
    names |= {b"content-type": b"application/grpc", b"te": b"trailers"}
    return b"".join(header(name, value) for name, value in names.items())


class Connection:
    """An open one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def opened(cls, address: str, source: str | None = None) -> "Connection":
        """With the settings of both sides taken; `source`: from that address of this machine."""
        host, _, port = address.rpartition(":")
        connection = cls(*await asyncio.open_connection(host, int(port), local_addr=source and (source, 0)))
        await connection.send(PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0))
        return connection

    async def send(self, frames: bytes) -> None:
        """Waits until they have left."""
        self._writer.write(frames)
        await self._writer.drain()

    async def received(self, kind: int, count: int) -> None:
        """Returns once so many frames of that kind, settings aside, have come, or the connection has ended."""
        try:
            while count:
                head = await self._reader.readexactly(9)
                await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                count -= head[3] == kind
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    def close(self) -> None:
        """Without a word."""
        self._writer.transport.abort()
