"""The console's server: what it answers, what it refuses, and that it says nothing about a query."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import ClientConnectionError, ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from grpc import aio

from console.command import LOOPBACK_NAMES, MAX_CONNECTIONS, serving
from console.explaining import Explainer
from console.server import FILES, PAGE, Console
from routerdc_client import AsyncRouterClient
from routerdc_contract.v1 import router_pb2 as pb
from routerdc_contract.v1 import router_pb2_grpc
from tests.support.waiting import until

METRICS = 'routerdc_requests_total{llm="a",reason="routed"} 10\nrouterdc_ready 1\n'
Client = TestClient[web.Request, web.Application]


class Gateway(router_pb2_grpc.RouterServicer):
    """Answers every query with one LLM, and keeps the requests."""

    def __init__(self) -> None:
        self.asked: list[pb.RouteRequest] = []

    async def Route(self, request: pb.RouteRequest, context: aio.ServicerContext) -> pb.RouteResponse:  # type: ignore[type-arg]  # noqa: N802
        self.asked.append(request)
        if request.query == "wrong":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "query: is wrong")
        return pb.RouteResponse(llm="a", reason=pb.REASON_ONLY_ONE, reason_detail="no other LLM may answer")

    async def ListLlms(self, request: pb.ListLlmsRequest, context: aio.ServicerContext) -> pb.ListLlmsResponse:  # type: ignore[type-arg]  # noqa: N802
        return pb.ListLlmsResponse(llms=[pb.Llm(name="a", price=1.0)], default_llm="a")


@pytest.fixture
async def gateway() -> AsyncIterator[tuple[Gateway, str]]:
    server, servicer = aio.server(), Gateway()  # type: ignore[abstract]  # the console asks for nothing else
    router_pb2_grpc.add_RouterServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield servicer, f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
async def metrics() -> AsyncIterator[str]:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=METRICS)

    application = web.Application()
    application.router.add_get("/metrics", page)
    async with TestServer(application) as server:
        yield str(server.make_url("/metrics"))


@pytest.fixture
async def client(gateway: tuple[Gateway, str], metrics: str) -> AsyncIterator[Client]:
    async with AsyncRouterClient(gateway[1]) as router:
        application = Console(router, metrics, LOOPBACK_NAMES).application()
        async with TestClient(TestServer(application)) as client:
            yield client


async def test_connections_beyond_the_limit_are_closed_at_once(gateway: tuple[Gateway, str], metrics: str) -> None:
    async with (
        AsyncRouterClient(gateway[1]) as router,
        serving(Console(router, metrics, LOOPBACK_NAMES), "127.0.0.1", 0) as url,
        ClientSession() as session,
    ):
        port = int(url.rpartition(":")[2].strip("/"))
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS)]
        with pytest.raises(ClientConnectionError):
            await session.get(url)
        for _, writer in kept:
            writer.transport.abort()
        await until(lambda: _is_served(session, url))


async def _is_served(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except ClientConnectionError:
        return False


async def test_a_query_gets_its_decision(client: Client, gateway: tuple[Gateway, str]) -> None:
    answer = await client.post("/api/route", json={"query": "hello", "cost_weight": 0.5})
    assert answer.status == 200
    shown = await answer.json()
    assert (shown["llm"], shown["rule"]) == ("a", "a answers: no other LLM may answer.")
    assert shown["neighbours"] is None
    assert len(shown["hash"]) == 12
    asked = gateway[0].asked[0]
    assert (asked.query, asked.cost_weight) == ("hello", 0.5)
    assert asked.max_candidates >= 1000


async def test_a_chat_gets_its_decision(client: Client, gateway: tuple[Gateway, str]) -> None:
    chat = [{"role": "user", "content": "hello"}]
    assert (await client.post("/api/route", json={"messages": chat})).status == 200
    assert gateway[0].asked[0].chat.messages[0].content == "hello"


NEAR = [{"query": "hi", "similarity": 0.9, "grades": {"a": 1.0}}]


@pytest.fixture
async def explaining(gateway: tuple[Gateway, str]) -> AsyncIterator[tuple[Client, list[dict[str, Any]]]]:
    """A console with an HTTP API beside the gateway, and what that API was asked."""
    asked: list[dict[str, Any]] = []

    async def route(request: web.Request) -> web.Response:
        body = await request.json()
        asked.append({**body, "explain": request.query["explain"], "key": request.headers["Authorization"]})
        if body["query"] == "down":
            return web.Response(text="no JSON", status=500)
        if body["query"] == "wrong":
            return web.json_response({"error": {"message": "query: is wrong"}}, status=400)
        decision = {"llm": "a", "reason": "REASON_ONLY_ONE", "reason_detail": "no other LLM may answer"}
        return web.json_response({**decision, "explain": {"neighbours": NEAR}})

    application = web.Application()
    application.router.add_post("/v1/route", route)
    async with TestServer(application) as server, AsyncRouterClient(gateway[1]) as router:
        explainer = Explainer(str(server.make_url("/")), "sk")
        console = Console(router, "http://127.0.0.1:9/metrics", LOOPBACK_NAMES, explainer=explainer)
        async with TestClient(TestServer(console.application())) as client:
            yield client, asked


async def test_with_the_http_api_a_decision_shows_its_nearest_training_queries(
    explaining: tuple[Client, list[dict[str, Any]]], gateway: tuple[Gateway, str]
) -> None:
    client, asked = explaining
    shown = await (await client.post("/api/route", json={"query": "hello", "cost_weight": 0.5})).json()
    assert (shown["llm"], shown["rule"], shown["neighbours"]) == ("a", "a answers: no other LLM may answer.", NEAR)
    assert (asked[0]["query"], asked[0]["cost_weight"], asked[0]["explain"]) == ("hello", 0.5, "true")
    assert (asked[0]["key"], asked[0]["max_candidates"] >= 1000) == ("Bearer sk", True)
    assert gateway[0].asked == []  # one decision, not two


@pytest.mark.parametrize(
    ("query", "status", "problem"), [("wrong", 400, "query: is wrong"), ("down", 502, "cannot be asked at")]
)
async def test_what_the_http_api_refuses_or_cannot_answer_is_said(
    explaining: tuple[Client, list[dict[str, Any]]], query: str, status: int, problem: str
) -> None:
    answer = await explaining[0].post("/api/route", json={"query": query})
    assert answer.status == status
    assert problem in (await answer.json())["error"]


async def test_pool_and_figures(client: Client) -> None:
    assert (await (await client.get("/api/pool")).json())["default"] == "a"
    live = await (await client.get("/api/live")).json()
    assert live["ready"] is True
    assert live["decisions_per_second"] == 0


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "send an object with cost_weight, messages, query only"),
        ('{"query": "a", "allowed_llms": ["a"]}', "only"),
        ("{}", "either query (a text) or messages (a chat)"),
        ('{"query": 3}', "query: must be a string"),
        ('{"messages": [3]}', "messages[0]: must be a mapping"),
        ('{"query": "a", "cost_weight": "much"}', "cost_weight"),
        ('{"query": "wrong"}', "query: is wrong"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_the_cure(client: Client, body: str, problem: str) -> None:
    answer = await client.post("/api/route", data=body, headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert problem in (await answer.json())["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_another_site_cannot_ask(
    client: Client, gateway: tuple[Gateway, str], headers: dict[str, str], status: int
) -> None:
    sent = {"Content-Type": "application/json"} | headers
    answer = await client.post("/api/route", data='{"query": "hello"}', headers=sent)
    assert answer.status == status
    assert gateway[0].asked == []


async def test_another_sites_page_cannot_have_it_work(client: Client) -> None:
    """A page's picture or script is a GET to whatever address it names; it says no origin."""
    for path in ("/api/live", "/api/pool", "/api/decisions"):
        assert (await client.get(path, headers={"Sec-Fetch-Site": "cross-site"})).status == 403
    assert (await client.get("/", headers={"Sec-Fetch-Site": "cross-site"})).status == 200, "a link leads here"
    assert (await client.get("/", headers={"Host": "10.0.0.7:9465"})).status == 200, "an address is nobody's name"


async def test_however_many_ask_for_figures_the_metrics_are_read_now_and_then(
    gateway: tuple[Gateway, str], metrics: str
) -> None:
    async with AsyncRouterClient(gateway[1]) as router:
        console = Console(router, metrics, LOOPBACK_NAMES)
        async with TestClient(TestServer(console.application())) as client:
            answers = await asyncio.gather(*(client.get("/api/live") for _ in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert len(console._readings) < 10


async def test_the_last_decisions_are_those_of_the_log(gateway: tuple[Gateway, str], tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    log.write_text('{"time":"t","query_hash":"0123456789abcdef","llm":"a","reason":"routed","total_ms":1.5}\n')
    async with AsyncRouterClient(gateway[1]) as router:
        for shown, decisions in ((None, None), (log, ["0123456789ab"]), (tmp_path / "none", [])):
            application = Console(router, "http://127.0.0.1:9/metrics", LOOPBACK_NAMES, shown).application()
            async with TestClient(TestServer(application)) as client:
                found = (await (await client.get("/api/decisions")).json())["decisions"]
                assert (found and [row["asked"] for row in found]) == decisions
        application = Console(router, "http://127.0.0.1:9/metrics", LOOPBACK_NAMES, tmp_path).application()
        async with TestClient(TestServer(application)) as client:
            answer = await client.get("/api/decisions")
            assert (answer.status, str(tmp_path) in (await answer.json())["error"]) == (502, True)


async def test_metrics_that_cannot_be_read_are_named(gateway: tuple[Gateway, str]) -> None:
    async with AsyncRouterClient(gateway[1]) as router:
        application = Console(router, "http://127.0.0.1:9/metrics", LOOPBACK_NAMES).application()
        async with TestClient(TestServer(application)) as client:
            answer = await client.get("/api/live")
            assert answer.status == 502
            assert "http://127.0.0.1:9/metrics" in (await answer.json())["error"]


async def test_the_page_is_small_and_loads_nothing_from_elsewhere(client: Client) -> None:
    total = 0
    for path, name in FILES.items():
        answer = await client.get(path)
        assert answer.status == 200
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        text = await answer.text()
        total += len(text.encode())
        assert "http://" not in text
        assert "https://" not in text
        assert (PAGE / name).read_text(encoding="utf-8") == text
    assert total < 100_000


def test_every_file_of_the_page_is_served() -> None:
    assert {file.name for file in PAGE.iterdir()} == set(FILES.values())
