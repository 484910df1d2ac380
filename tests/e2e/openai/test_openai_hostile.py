"""Hostile callers and hostile LLM servers through a real Envoy: with a gateway, and where it has gone."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from loadtest.closed_loop.usage import cpu_seconds
from tests.e2e.envoy.slow_senders import memory_mib
from tests.e2e.envoy_fixtures import Plane, maybe_orphaned
from tests.support.floods import FLOODS, flood
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
MESSAGES = b'"messages": [{"role": "user", "content": "hello"}]'


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["normal", "orphaned"])
async def running(request: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plane]:
    """A data plane with its gateway, and one whose gateway has gone."""
    async with maybe_orphaned(request.param, tmp_path_factory.mktemp(request.param)) as plane:
        yield plane


@pytest.fixture
def plane(running: Plane) -> Plane:
    running.reset()
    running.prefer("hello", "alpha", "beta", "gamma")
    return running


async def post(plane: Plane, body: bytes, **headers: str) -> Any:
    sent = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return await plane.client._client.post(f"{plane.envoy.base_url}/chat/completions", content=body, headers=sent)


def received(plane: Plane) -> list[Any]:
    return [json.loads(request.body)["model"] for llm in plane.llms.values() for request in llm.received]


@pytest.mark.parametrize(
    "members",
    [
        b'"model": "auto", "model": "gpt-5"',
        rb'"model": "auto", "mod\u0065l": "gpt-5"',
        rb'"mod\u0065l": "auto", "\u006dodel": "gpt-5"',
        b'"model": "auto", "Model": "gpt-5"',
        rb'"model": "auto", "model\u0000": "gpt-5"',
        b'"model": "auto", "x": [/* " */], "model": "gpt-5", "y": [1 /* " */]',
        b'"model": "auto", "models": ["gpt-5"]',
        rb'"model": "auto", "fallback\u0073": [{"model": "gpt-5"}]',
        '"model": "auto", "modelſ": ["gpt-5"]'.encode(),
        rb'"model": "auto", "fallbac\u212as": ["gpt-5"]',
    ],
)
@pytest.mark.parametrize("first_fails", [False, True])
async def test_models_that_are_named_beside_model_are_refused(plane: Plane, members: bytes, first_fails: bool) -> None:
    plane.llms["alpha"].behave(status=503 if first_fails else 200)
    answer = await post(plane, b"{" + members + b", " + MESSAGES + b"}")
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert received(plane) == []


@pytest.mark.parametrize("key", [b'"model"', rb'"mod\u0065l"'])
@pytest.mark.parametrize("model", [rb"auto", rb"\u0061uto"])
async def test_every_attempt_names_the_llms_own_model(plane: Plane, key: bytes, model: bytes) -> None:
    plane.llms["alpha"].behave(status=503)
    answer = await post(plane, b"{" + MESSAGES + b", " + key + b': "' + model + b'", "seed": 12345678901234567890}')
    assert (answer.status_code, answer.headers["x-routerdc-llm"]) == (200, "beta")
    assert received(plane) == ["alpha/model", "beta/model"]
    assert b'"seed": 12345678901234567890' in plane.llms["beta"].received[0].body


async def test_charset_of_a_caller_does_not_change_what_is_read(plane: Plane) -> None:
    body = b'{"model": "auto", "+AG0-odel": "gpt-5", ' + MESSAGES + b"}"
    assert (await post(plane, body, content_type="application/json; charset=utf-7")).status_code == 200
    assert plane.llms["alpha"].received[0].headers["Content-Type"] == "application/json"


CREDENTIALS = {
    "authorization": "Bearer the-callers",
    "proxy-authorization": "Basic c2VjcmV0",
    "x-goog-api-key": "secret",
    "ocp-apim-subscription-key": "secret",
    "x-auth-token": "secret",
    "openai-organization": "org-of-the-caller",
    "openai-project": "proj-of-the-caller",
    "cookie": "a=secret",
    "x-routerdc-session": "s",
    "x-routerdc-llm": "gamma",
    "x-gateway-destination-endpoint": "127.0.0.1:9",
    "x-gateway-model-name": "gpt-5",
    "x-forwarded-for": "8.8.8.8",
    "forwarded": "for=8.8.8.8",
    "x-real-ip": "8.8.8.8",
    "idempotency-key": "shared-with-nobody",
    "x-some-vendors-next-key": "secret",
}


@pytest.mark.parametrize("first_fails", [False, True])
async def test_only_known_headers_reach_an_llm(plane: Plane, first_fails: bool) -> None:
    plane.llms["alpha"].behave(status=503 if first_fails else 200)
    passed = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "anthropic-version": "2023-06-01",
    }
    await post(plane, b'{"model": "auto", ' + MESSAGES + b"}", **CREDENTIALS, **passed)
    (request,) = plane.llms["beta" if first_fails else "alpha"].received
    names = {name.lower() for name in request.headers}
    own = {"host", "accept", "accept-encoding", "user-agent", "content-type", "content-length", "x-request-id"}
    assert names == own | passed.keys()


@pytest.mark.parametrize(
    ("query", "outward"),
    [("?model=gpt-5&api-version=1", ""), ("?key=a&beta=true&model=gpt-5", "beta=true"), ("?beta=true", "beta=true")],
)
async def test_of_a_callers_query_only_what_is_known_reaches_an_llm(plane: Plane, query: str, outward: str) -> None:
    answer = await plane.client._client.post(
        f"{plane.envoy.base_url}/chat/completions{query}", content=b'{"model": "auto", ' + MESSAGES + b"}"
    )
    assert answer.status_code == 200
    assert [(one.path, one.query) for llm in plane.llms.values() for one in llm.received] == [
        ("/v1/chat/completions", outward)
    ]


STEERING = {
    "x-envoy-retriable-status-codes": "200",
    "x-envoy-retriable-header-names": "content-type",
    "x-envoy-retry-on": "retriable-4xx,retriable-status-codes,retriable-headers",
    "x-envoy-max-retries": "9",
    "x-envoy-upstream-rq-timeout-ms": "1",
    "x-envoy-upstream-rq-per-try-timeout-ms": "1",
    "x-envoy-upstream-rq-timeout-alt-response": "1",
    "x-envoy-upstream-stream-duration-ms": "1",
    "x-envoy-upstream-alt-stat-name": "of-the-caller",
    "x-envoy-hedge-on-per-try-timeout": "true",
    "x-envoy-decorator-operation": "of-the-caller",
    "x-envoy-force-trace": "1",
    "x-envoy-original-path": "/other",
    "x-envoy-attempt-count": "7",
    "x-envoy-internal": "true",
}


async def test_nobody_steers_envoy(plane: Plane) -> None:
    plane.llms["alpha"].behave(delay_ms=50)
    answer = await post(plane, b'{"model": "auto", ' + MESSAGES + b"}", **STEERING)
    assert (answer.status_code, answer.headers["x-routerdc-llm"]) == (200, "alpha")
    assert answer.headers["x-envoy-attempt-count"] == "1"
    assert received(plane) == ["alpha/model"]
    assert not [name for name in plane.llms["alpha"].received[0].headers if name.lower().startswith("x-envoy")]
    stats = await plane.client._client.get(f"http://{plane.envoy.admin_address}/stats")
    assert "of-the-caller" not in stats.text


PRETENDED = {
    "x-routerdc-truncated": "true",
    "x-routerdc-llm": "gpt-5",
    "x-routerdc-anything": "else",
    "x-envoy-attempt-count": "7",
    "x-envoy-overloaded": "true",
    "set-cookie": "a=b",
    "alt-svc": 'h3=":443"',
    "access-control-allow-origin": "*",
    "openai-organization": "org-of-the-operator",
}


async def test_an_llm_cannot_pretend_to_be_us(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    async def pretend(_: web.Request) -> web.Response:
        return web.json_response({"model": "alpha"}, headers={**PRETENDED, "x-ratelimit-remaining": "7"})

    monkeypatch.setattr(plane.llms["alpha"], "answer", pretend)
    answer = await post(plane, b'{"model": "auto", ' + MESSAGES + b"}")
    told = {name: answer.headers.get_list(name) for name in PRETENDED}
    kept = {name: values for name, values in told.items() if values}
    assert kept == {"x-routerdc-llm": ["alpha"], "x-envoy-attempt-count": ["1"]}
    assert answer.headers["x-ratelimit-remaining"] == "7"


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null"])
@pytest.mark.parametrize("path", ["chat/completions", "messages", "anything"])
async def test_a_web_page_cannot_ask_unseen(plane: Plane, origin: str, path: str) -> None:
    """A browser sends the plain POST of any page to any server, this machine's too."""
    asked = {"origin": origin, "content-type": "text/plain"}
    body = b'{"model": "auto", ' + MESSAGES + b"}"
    answer = await plane.client._client.post(f"{plane.envoy.base_url}/{path}", content=body, headers=asked)
    assert (answer.status_code, answer.json()["error"]["type"]) == (403, "invalid_request_error")
    assert received(plane) == []


@pytest.mark.parametrize("page", ["quitquitquit", "healthcheck/fail", "logging?level=off", "stats/../drain_listeners"])
async def test_nobodys_page_can_stop_envoy(plane: Plane, page: str) -> None:
    answer = await plane.client._client.post(f"http://{plane.envoy.admin_address}/{page}")
    assert answer.status_code == 403


async def test_no_caller_fills_the_disk_by_the_access_log(plane: Plane) -> None:
    before = len(plane.access_log.read_bytes())
    url = f"http://{plane.envoy.address}/{'a' * 40_000}"
    await plane.client._client.request("M" * 1000, url, headers={"x-request-id": "i" * 10_000})
    await until(lambda: len(plane.access_log.read_bytes()) > before)
    assert max(map(len, plane.access_log.read_bytes().splitlines())) < 2000


async def test_half_a_million_headers_are_not_read_to_their_end(plane: Plane) -> None:
    before, spent = await memory_mib(plane), cpu_seconds(plane.envoy.process.pid)
    host, _, port = plane.envoy.address.rpartition(":")
    await asyncio.gather(*(flood(FLOODS["headers"], host, int(port), most_seconds=0.5) for _ in range(20)))
    answer = await post(plane, b'{"model": "auto", ' + MESSAGES + b"}")
    assert answer.status_code == 200
    assert cpu_seconds(plane.envoy.process.pid) - spent < 0.3
    assert await memory_mib(plane) - before < 16


SLOW_READERS, EACH_MIB = 30, 2.5


async def test_answers_that_nobody_reads_wait_at_the_llms_server(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(b"data: " + b"x" * 65_536 + b"\n\n")

    for llm in plane.llms.values():
        monkeypatch.setattr(llm, "answer", endless)
    before, peak = await memory_mib(plane), 0.0
    with ExitStack() as open_:
        for _ in range(SLOW_READERS):
            await _ask_and_never_read(plane, open_)
        for _ in range(10):
            await asyncio.sleep(0.1)
            peak = max(peak, await memory_mib(plane))
    assert peak - before < SLOW_READERS * EACH_MIB


async def _ask_and_never_read(plane: Plane, open_: ExitStack) -> None:
    body = b'{"model": "auto", "stream": true, ' + MESSAGES + b"}"
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n"
    host, _, port = plane.envoy.address.rpartition(":")
    caller = open_.enter_context(socket.socket())
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    caller.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(caller, (host, int(port)))
    await loop.sock_sendall(caller, head.encode() + body)
