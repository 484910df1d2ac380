"""Targets: what an answer is, and by what name failures are counted."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from loadtest.open_loop.generator import CallError
from loadtest.open_loop.targets import chat_target, grpc_target
from loadtest.requests import messages


async def answer(request: web.Request) -> web.Response:
    body = await request.json()
    said = body["messages"][0]["content"]
    if said == "slow":
        await asyncio.sleep(60)
    status = 503 if said == "down" else 200
    return web.json_response({}, status=status, headers={"x-routerdc-reason": said})


@pytest.fixture
async def base_url() -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_post("/v1/chat/completions", answer)
    async with TestServer(application) as server:
        yield str(server.make_url("/v1"))


async def test_chats_are_decided_unless_the_header_says_fallback(base_url: str) -> None:
    async with chat_target(base_url) as target:
        routed, fell_back = [await target.send(messages.chat(said), 5) for said in ("routed", "fallback")]
        assert target.problem(routed) == ""
        assert target.problem(fell_back) == "REASON_FALLBACK"


@pytest.mark.parametrize(("said", "code"), [("down", "HTTP_503"), ("slow", "DEADLINE_EXCEEDED")])
async def test_chats_that_fail_are_counted_by_status_or_deadline(base_url: str, said: str, code: str) -> None:
    async with chat_target(base_url) as target:
        with pytest.raises(CallError) as caught:
            await target.send(messages.chat(said), 0.2)
    assert caught.value.code == code


async def test_chats_that_reach_nobody_are_counted_by_what_happened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with chat_target(f"http://127.0.0.1:{port}/v1") as target:
        with pytest.raises(CallError, match="ClientConnectorError"):
            await target.send(messages.chat("hello"), 5)


async def test_a_grpc_target_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.open_loop.targets._CONNECT_SECONDS", 0.2)
    with pytest.raises(CallError, match=r"UNAVAILABLE: 127\.0\.0\.1:1"):
        async with grpc_target("127.0.0.1:1", messages.ROUTE, messages.route_problem):
            pass


def test_chat_bodies_are_json() -> None:
    assert json.loads(messages.chat("x"))["stream"] is False
