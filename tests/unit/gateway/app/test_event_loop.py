"""Name servers that do not answer, and what they must not hold up: the end of a process, so each test has its own."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from gateway.app.process.event_loop import Loop


async def answers(ask: Callable[[], Any]) -> list[Any]:
    return await asyncio.gather(*(ask() for _ in range(3)), return_exceptions=True)


def test_who_asks_the_same_meanwhile_gets_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = [], threading.Event()

    def look_up(*question: Any) -> list[Any]:
        asked.append(question)
        go_on.wait(60)
        return [len(asked)]

    async def look_ups() -> list[Any]:
        loop = asyncio.get_running_loop()
        hasty = asyncio.create_task(loop.getaddrinfo("triton", 8001, type=socket.SOCK_STREAM))
        await asyncio.sleep(0)
        hasty.cancel()
        loop.call_soon(go_on.set)
        first = await answers(lambda: loop.getaddrinfo("triton", 8001, type=socket.SOCK_STREAM))
        return [first, await loop.getaddrinfo("triton", 8001, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert uvloop.run(look_ups(), loop_factory=Loop) == [[[1], [1], [1]], [2]]
    assert asked == [("triton", 8001, 0, socket.SOCK_STREAM, 0, 0)] * 2


def test_a_name_without_an_address_is_the_errors_business(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def look_up() -> None:
        await asyncio.get_running_loop().getaddrinfo("triton", 8001)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(socket.gaierror, match="not known"):
        uvloop.run(look_up(), loop_factory=Loop)
