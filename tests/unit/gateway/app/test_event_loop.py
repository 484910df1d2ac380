"""Name servers that do not answer, and what they must not hold up: the end of a process, so each test has its own."""

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
import yaml

from gateway.app.process.event_loop import Loop
from tests.unit.gateway.conftest import endpoints_file

SILENT = """
import os, signal, socket, sys, time
from pathlib import Path

known = socket.getaddrinfo

def silent(host, *rest, **named):
    if host != "silent.test":
        return known(host, *rest, **named)
    asked()
    time.sleep(600)

socket.getaddrinfo = silent
"""
GATEWAY = """
from gateway.app import server
from gateway.config import settings

def asked():
    os.kill(os.getpid(), signal.SIGTERM)

server.run(settings.load(None, {
    "triton_address": "dns:///silent.test:8001", "start_without_router": True, "endpoints_file": Path(sys.argv[1]),
    "port": 0, "metrics_port": 0,
}))
"""
PROBE = """
import aiohttp, uvloop
from gateway.app.process.event_loop import Loop

def asked():
    print("asked", flush=True)

async def probe():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.2)) as session:
        try:
            await session.get("http://silent.test/")
        except TimeoutError:
            pass

uvloop.run(probe(), loop_factory=Loop)
"""


def ended(code: str, *words: str) -> str:
    """What a process said that ends well."""
    command = [sys.executable, "-c", SILENT + code, *words]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout


def test_a_gateway_that_is_looking_for_triton_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.yaml"
    path.write_text(yaml.safe_dump(json.loads(endpoints_file().model_dump_json())), encoding="utf-8")
    assert "stopped" in ended(GATEWAY, str(path))


def test_a_probe_of_an_endpoint_does_not_hold_up_the_end() -> None:
    assert ended(PROBE) == "asked\n"


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
