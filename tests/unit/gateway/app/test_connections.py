"""Connections of the HTTP API: bounded in number, and closed where they ask nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway.app.listening import connections
from gateway.app.listening.http_server import http_server
from gateway.config.groups import Listen

LARGE_BYTES = 64 * 1024 * 1024
"""More than the kernel keeps for one connection."""
REQUEST = b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n"


@asynccontextmanager
async def serving(most: int = 10) -> AsyncIterator[int]:
    """The port of a server that takes longer for a request than a connection may be idle."""

    async def slow(_request: web.Request) -> web.Response:
        await asyncio.sleep(0.4)
        return web.Response(text="answered")

    async def large(_request: web.Request) -> web.Response:
        return web.Response(body=bytes(LARGE_BYTES))

    application = web.Application()
    application.router.add_get("/slow", slow)
    application.router.add_get("/large", large)
    async with http_server(Listen(http_port=0), application, None, most) as port:
        assert port is not None
        yield port


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes."""
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""


@pytest.mark.parametrize("begun", [b"", b"GET /slow HT", REQUEST[:-2]])
async def test_a_connection_without_a_request_is_closed(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.1)
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begun)
        assert await ended(reader) == b""
        writer.close()


async def test_a_request_takes_its_time_and_the_connection_is_closed_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.1)
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        assert (await ended(reader)).endswith(b"answered")
        writer.close()


async def test_a_connection_whose_answers_are_not_read_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.1)
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST.replace(b"slow", b"large"))
        await reader.readexactly(1)
        await asyncio.sleep(0.5)
        assert len(await ended(reader)) < LARGE_BYTES
        writer.close()


async def test_a_host_has_half_of_the_connections_and_one_that_ends_makes_room() -> None:
    async with serving(most=4) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await ended(reader) == b""
        writer.close()
        held[0][1].close()
        await held[0][1].wait_closed()
        async with asyncio.timeout(30):
            answer = b""
            while not answer.startswith(b"HTTP/1.1 200"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(REQUEST)
                try:
                    answer = await reader.readline()
                except ConnectionError:
                    answer = b""
                writer.close()
        held[1][1].close()


async def test_what_is_no_http_is_answered_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The line that is wrong may be the one with the caller's key."""
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nauthorization: Bearer sk-secret\0\r\n\r\n")
        assert b" 400 " in await reader.readline()
        writer.close()
    assert caplog.text == ""
