"""What Envoy answers by itself, in the form that clients parse: with a gateway, and where it has gone."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from backports import zstd

from tests.e2e.envoy_fixtures import MIB, Plane, maybe_orphaned

pytestmark = pytest.mark.asyncio(loop_scope="module")
BODY = b'{"model": "auto", "messages": [{"role": "user", "content": "hello"}]}'
JSON = {"content-type": "application/json"}
ORIGIN = "https://chat.example.com"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["normal", "orphaned"])
async def running(request: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plane]:
    """A data plane with its gateway, and one whose gateway has gone."""
    flags = ["--request-timeout-seconds", "2", "--cors-origin", ORIGIN, "--max-body-bytes", str(MIB)]
    async with maybe_orphaned(request.param, tmp_path_factory.mktemp(request.param), flags=flags) as plane:
        yield plane


@pytest.fixture
def plane(running: Plane) -> Plane:
    running.reset()
    running.prefer("hello", "alpha", "beta", "gamma")
    return running


async def ask(plane: Plane, method: str, path: str, content: Any = None, **headers: str) -> Any:
    return await plane.client._client.request(
        method, f"http://{plane.envoy.address}{path}", content=content, headers={**JSON, **headers}
    )


async def raw(plane: Plane, text: bytes) -> tuple[int, dict[str, Any]]:
    """Status and JSON of the answer to `text`, sent as it is; the connection is left open."""
    host, _, port = plane.envoy.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(text)
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length"))
        assert any(line.startswith("content-type: application/json") for line in lines)
        body = json.loads(await reader.readexactly(length))
    writer.close()
    return int(lines[0].split()[1]), body


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/modelsX", "/v1/chat/completionsX", "/v1/chat/completions/", "/admin"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_unknown_path_is_404(plane: Plane, method: str, path: str) -> None:
    answer = await ask(plane, method, path)
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST, OPTIONS"),
        ("PUT", "/v1/completions", "POST, OPTIONS"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/models/alpha", "GET, HEAD, OPTIONS"),
    ],
)
async def test_wrong_method_is_405(plane: Plane, method: str, path: str, allowed: str) -> None:
    answer = await ask(plane, method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/models", "/v1/models/alpha"])
async def test_options_tells_the_methods(plane: Plane, path: str) -> None:
    answer = await ask(plane, "OPTIONS", path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "OPTIONS" in answer.headers["allow"]


async def test_models_are_listed(plane: Plane) -> None:
    answer = await ask(plane, "GET", "/v1/models")
    assert [model["id"] for model in answer.json()["data"]] == ["auto", "alpha", "beta", "gamma"]
    assert (await ask(plane, "GET", "/v1/models/beta")).json()["id"] == "beta"
    for path in ("/v1/models", "/v1/models/beta"):
        head = await ask(plane, "HEAD", path)
        assert (head.status_code, head.content) == (200, b"")


async def test_web_pages_of_a_named_origin_may_ask(plane: Plane) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    allowed = await ask(plane, "OPTIONS", "/v1/chat/completions", origin=ORIGIN, **asked)
    assert allowed.is_success
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    answer = await ask(plane, "POST", "/v1/chat/completions", BODY, origin=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "x-routerdc-llm" in answer.headers["access-control-expose-headers"]
    for method in ("OPTIONS", "POST"):
        other = await ask(plane, method, "/v1/chat/completions", BODY, origin="https://evil.example.com", **asked)
        assert "access-control-allow-origin" not in other.headers


async def test_http_1_0_is_served(plane: Plane) -> None:
    request = b"POST /v1/chat/completions HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
    status, body = await raw(plane, request % (len(BODY), BODY))
    assert (status, body["model"]) == (200, "alpha")


LONG = b" " * 2 * MIB
SENDING_SECONDS = 1.8
REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        (REQUEST + b"x-long: " + b"a" * 70_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (REQUEST + b"x: y\r\n" * 200 + b"\r\n", 431, "headers_too_large"),
        (REQUEST + b"transfer-encoding: chunked\r\n\r\n" + b"%x\r\n" % len(LONG) + LONG, 413, "request_too_large"),
        (REQUEST + b"content-length: %d\r\n\r\n" % len(LONG) + LONG, 413, "request_too_large"),
        (REQUEST + b"content-length: 100\r\n\r\n{", 408, "request_timeout"),
        (b"POST /v1/chat/completions HTTP/1.1\r\n\r\n", 400, None),
        (b"NONSENSE\r\n\r\n", 400, None),
        (REQUEST + b"connection: upgrade\r\nupgrade: websocket\r\n\r\n", 403, None),
    ],
    ids=["long header", "many headers", "413 chunked", "413", "408", "no host", "nonsense", "upgrade"],
)
async def test_refusals_are_json(plane: Plane, text: bytes, status: int, code: str | None) -> None:
    got, body = await raw(plane, text)
    assert (got, body["error"]["type"], body["error"]["code"]) == (status, "invalid_request_error", code)


async def test_who_is_still_sending_a_body_that_is_too_large_sees_why(plane: Plane) -> None:
    """Most clients read no answer before they have sent everything, and a slow one is sending for a while."""
    host, _, port = plane.envoy.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(REQUEST + b"content-length: %d\r\n\r\n" % len(LONG) + LONG[: 3 * MIB // 2])
    async with asyncio.timeout(10):
        await reader.readuntil(b" 413 ")
        await asyncio.sleep(SENDING_SECONDS)
        writer.write(LONG[3 * MIB // 2 :])
        await writer.drain()
        await reader.readuntil(b"request_too_large")
        writer.write(b"x")  # would fail where the connection has been reset
        await asyncio.sleep(0.1)
        assert not writer.transport.is_closing()
    writer.close()


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)], ids=["gzip", "zstd"]
)
async def test_compressed_bodies_are_read(plane: Plane, coding: str, compress: Callable[[bytes], bytes]) -> None:
    answer = await ask(plane, "POST", "/v1/chat/completions", compress(BODY), **{"content-encoding": coding})
    assert (answer.status_code, answer.json()["model"]) == (200, "alpha")
    (request,) = plane.llms["alpha"].received
    assert "content-encoding" not in {name.lower() for name in request.headers}
    assert json.loads(request.body)["model"] == "alpha/model"


async def test_bomb_is_refused(plane: Plane) -> None:
    bomb = gzip.compress(b'{"model": "auto", "x": "' + b" " * 64 * MIB + b'"}')
    answer = await ask(plane, "POST", "/v1/chat/completions", bomb, **{"content-encoding": "gzip"})
    assert answer.status_code in (400, 413)
    assert "error" in answer.json()


async def test_protocol_that_nobody_asked_for_is_a_failure_of_the_llm(plane: Plane) -> None:
    async def switch(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        switching = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
        request.transport.write(switching)
        await asyncio.sleep(0.2)
        request.transport.abort()  # what comes next is no frame of that protocol
        return web.Response()

    plane.llms["alpha"].answer = switch
    try:
        async with asyncio.timeout(10):
            answer = await ask(plane, "POST", "/v1/chat/completions", BODY)
            last = await ask(plane, "POST", "/v1/chat/completions", BODY.replace(b"auto", b"alpha"))
            after = await ask(plane, "POST", "/v1/chat/completions", BODY)
    finally:
        plane.llms["alpha"].answer = None
    assert (answer.status_code, answer.headers["x-routerdc-llm"]) == (200, "beta")
    assert (last.status_code, after.status_code) == (502, 200)
