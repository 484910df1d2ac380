import asyncio
import gzip
import json
from hashlib import sha256
from typing import Any

import pytest
from google.protobuf import json_format

from gateway.config.api_keys_file import ApiKeysFile
from gateway.domain.scorer import Neighbour, Neighbours
from gateway.errors import ScorerUnavailableError
from gateway.http_api import bodies, openapi
from gateway.limits.caller import Callers
from routerdc_contract.v1 import router_pb2 as pb
from tests.support.fakes.scorer import BUNDLE, FakeScorer
from tests.unit.gateway.http_api.conftest import CALIBRATED, Serve


async def test_the_answer_is_that_of_the_grpc_service(serve: Serve) -> None:
    http = await serve()
    request: dict[str, Any] = {"query": "q", "max_candidates": 2, "cost_weight": 0.1, "request_id": "mine"}
    status, body = await http.post("/v1/route", request)
    by_grpc = await http.running.stub.Route(json_format.ParseDict(request, pb.RouteRequest()))
    by_http = json_format.ParseDict(body, pb.RouteResponse())
    for answer in (by_grpc, by_http):
        answer.ClearField("timings")
    assert (status, by_http) == (200, by_grpc)
    assert (body["llm"], body["reason"], body["truncated"]) == ("alpha", "REASON_ROUTED", False)


@pytest.mark.parametrize("path", ["/v1/route", "/v1/systemone", "/v1/decisions"])
@pytest.mark.parametrize("unit", ["{}", "[]", "1.1"])
async def test_values_without_end_are_refused_before_they_are_read(serve: Serve, path: str, unit: str) -> None:
    values = ",".join([unit] * 5_000)
    body = f'{{"query": "q", "chat": {{"messages": [{values}]}}, "state": [{values}], "input": [{values}]}}'
    status, answer = await (await serve()).post(path, body.encode())
    assert (status, answer["error"]["param"]) == (400, "body")
    assert "more than 8192 values" in answer["error"]["message"]


async def test_a_chat_is_routed(serve: Serve) -> None:
    chat = {"messages": [{"role": "user", "parts": [{"type": "text", "text": "hello"}]}]}
    assert (await (await serve()).post("/v1/route", {"chat": chat}))[1]["llm"] == "beta"


async def test_explain_tells_scores_costs_and_why_an_llm_took_no_part(serve: Serve) -> None:
    _, body = await (await serve()).post(
        "/v1/route?explain=true", {"query": "q", "denied_llms": ["gamma"], "cost_weight": 0.01}
    )
    alpha, beta, gamma = body["explain"]["llms"]
    assert (body["explain"]["rule"], len(body["candidates"])) == ("routed", 1)
    assert (beta["score"], beta["cost"], beta["price"]) == (0.9, pytest.approx(0.1), 10)
    assert alpha["confidence"] == pytest.approx(0.8808, abs=1e-4)
    assert gamma == {"llm": "gamma", "price": 2, "left_out": "denied"}


class Near:
    """Neighbours of every query; notes the queries."""

    def __init__(self, bundle_id: str = CALIBRATED.bundle_id, fault: Exception | None = None) -> None:
        self.asked: list[str] = []
        self._bundle_id, self._fault = bundle_id, fault

    async def __call__(self, query: str) -> Neighbours:
        self.asked.append(query)
        if self._fault is not None:
            raise self._fault
        return Neighbours(self._bundle_id, (Neighbour("1 + 1?", 0.75, {"alpha": 1.0, "beta": 0.0, "gone": 1.0}),))


async def test_explain_shows_the_nearest_graded_training_queries_and_nothing_else_asks_for_them(serve: Serve) -> None:
    near = Near()
    http = await serve(near=near)
    await http.post("/v1/route", {"query": "q"})
    assert near.asked == []
    _, body = await http.post("/v1/route?explain=true", {"query": "q"})
    assert near.asked == ["q"]
    expected = [{"query": "1 + 1?", "similarity": 0.75, "grades": {"alpha": 1.0, "beta": 0.0}}]
    assert body["explain"]["neighbours"] == expected


async def test_neighbours_are_those_of_the_text_that_decides_a_conversation(serve: Serve) -> None:
    near = Near()
    texts = ["What is the third derivative of the sine function, please?", "yes"]
    messages = [{"role": "user", "parts": [{"type": "text", "text": text}]} for text in texts]
    await (await serve(near=near)).post("/v1/route?explain=true", {"chat": {"messages": messages}})
    assert near.asked == [texts[0]]


@pytest.mark.parametrize(
    ("near", "query"),
    [
        (Near(bundle_id="another"), {"query": "q"}),
        (Near(fault=ScorerUnavailableError("down")), {"query": "q"}),
        (Near(), {"query": "q", "allowed_llms": ["alpha"]}),
    ],
    ids=["another-bundle", "triton-fails", "nothing-was-scored"],
)
async def test_without_neighbours_of_the_decision_there_are_none_and_the_answer_stands(
    serve: Serve, near: Near, query: dict[str, Any]
) -> None:
    status, body = await (await serve(near=near)).post("/v1/route?explain=true", query)
    assert (status, body["explain"]["neighbours"]) == (200, None)


async def test_neighbours_name_no_llm_that_the_api_key_may_not_use(serve: Serve) -> None:
    key = {"name": "team", "sha256": sha256(b"sk").hexdigest(), "denied": ["beta"]}
    http = await serve(callers=Callers(ApiKeysFile.model_validate({"keys": [key]})), near=Near())
    headers = {"authorization": "Bearer sk"}
    _, body = await http.post("/v1/route?explain=true", {"query": "q"}, headers=headers)
    assert body["explain"]["neighbours"][0]["grades"] == {"alpha": 1.0}


async def test_a_key_of_any_bytes_is_not_known(serve: Serve) -> None:
    key = {"name": "team", "sha256": sha256(b"sk").hexdigest()}
    http = await serve(callers=Callers(ApiKeysFile.model_validate({"keys": [key]})))
    reader, writer = await asyncio.open_connection(*http.base.removeprefix("http://").split(":"))
    writer.write(b"POST /v1/route HTTP/1.1\r\nhost: a\r\nauthorization: Bearer \xff\xfe\r\ncontent-length: 0\r\n\r\n")
    assert b" 401 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize("path", ["/v1/route?explain=true", "/v1/systemone", "/v1/decisions"])
async def test_web_pages_may_not_ask(serve: Serve, path: str) -> None:
    """A browser sends the plain POST of any page to any server, this machine's too."""
    http = await serve()
    headers = {"origin": "https://evil.example.com", "content-type": "text/plain"}
    assert (await http.post(path, b'{"query": "q"}', headers=headers))[0] == 403


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"query": " "}, 400, "query"),
        ({"query": "q", "allowed_llms": ["omega"]}, 400, "allowed_llms"),
        ({"query": "q", "querry": 1}, 400, "body"),
        (b"[]", 400, "body"),
        (b"\xff", 400, "body"),
        (b'{"chat":' * 5000, 400, "body"),
        ({"query": "x" * 400_000}, 413, None),
    ],
)
async def test_what_is_wrong_is_named(serve: Serve, body: Any, status: int, param: str | None) -> None:
    answer, error = await (await serve()).post("/v1/route", body)
    assert (answer, error["error"]["param"]) == (status, param)


async def test_a_query_that_no_llm_can_read_has_the_code_at_which_clients_shorten_it(serve: Serve) -> None:
    llms = {
        name: {"context_tokens": 9, "endpoints": [{"address": "http://h/v1", "model": "m"}]} for name in BUNDLE.llms
    }
    chat = {"messages": [{"role": "user", "parts": [{"type": "text", "text": "word " * 99}]}]}
    for body in ({"query": "word " * 99}, {"chat": chat}):
        status, answer = await (await serve(llms=llms)).post("/v1/route", body)
        assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")


async def test_unknown_paths_and_methods_are_json_errors(serve: Serve) -> None:
    http = await serve()
    assert (await http.post("/v1/nothing", {}))[0] == 404
    async with http.session.get(http.base + "/v1/route") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert "error" in await answer.json()


async def test_without_scores_the_default_answers_as_over_grpc(serve: Serve) -> None:
    http = await serve(FakeScorer(faults={"q": ScorerUnavailableError("down")}))
    assert (await http.post("/v1/route", {"query": "q"}))[1]["reason"] == "REASON_FALLBACK"


async def test_api_keys_hold_with_their_rules_and_rates(serve: Serve) -> None:
    key = {
        "name": "team",
        "sha256": sha256(b"sk").hexdigest(),
        "denied": ["beta"],
        "queries_per_second": 0.01,
        "burst": 2,
    }
    http = await serve(callers=Callers(ApiKeysFile.model_validate({"keys": [key]})))
    assert (await http.post("/v1/route", {"query": "q"}))[0] == 401
    headers = {"authorization": "Bearer sk"}
    _, body = await http.post("/v1/route?explain=true", {"query": "q"}, headers=headers)
    assert ([row["llm"] for row in body["explain"]["llms"]], body["llm"]) == (["alpha", "gamma"], "alpha")
    forbidden = {"query": "q", "allowed_llms": ["beta"]}
    assert (await http.post("/v1/route", forbidden, headers=headers))[0] == 403
    async with http.session.post(http.base + "/v1/route", json={"query": "q"}, headers=headers) as answer:
        assert (answer.status, int(answer.headers["Retry-After"]) > 1) == (429, True)


async def test_the_description_names_every_field_of_the_contract(serve: Serve) -> None:
    http = await serve()
    async with http.session.get(http.base + "/openapi.json") as answer:
        described = await answer.json()
    assert described == json.loads(json.dumps(openapi.description()))
    for message in (pb.RouteRequest, pb.RouteResponse, pb.Candidate, pb.ChatMessage):
        properties = described["components"]["schemas"][message.DESCRIPTOR.name]["properties"]
        assert set(properties) == set(message.DESCRIPTOR.fields_by_name)


async def test_the_description_is_valid_and_answers_are_as_it_says(serve: Serve) -> None:
    import openapi_spec_validator  # here, since it takes 0.7 s and collection imports in every process
    from openapi_schema_validator import OAS31Validator

    described = openapi.description()
    openapi_spec_validator.validate(described)
    http = await serve(FakeScorer(familiarity={"q": 0.25}), near=Near(BUNDLE.bundle_id))
    _, body = await http.post("/v1/route?explain=true", {"query": "q", "max_candidates": 3})
    schema = described["paths"]["/v1/route"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    OAS31Validator(schema | {"components": described["components"]}).validate(body)
    assert body["explain"]["familiarity"] == body["familiarity"] == 0.25


async def test_a_body_that_is_compressed_or_does_not_come_is_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = await serve()
    bomb = gzip.compress(b" " * 50_000_000)
    assert (await http.post("/v1/route", bomb, headers={"content-encoding": "gzip"}))[0] == 415
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.1)
    host, _, port = http.base.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /v1/route HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_bodies_that_do_not_end_leave_room_for_small_ones(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "HELD_BYTES", 8 * bodies.SMALL_BYTES)
    http = await serve()
    host, _, port = http.base.removeprefix("http://").rpartition(":")
    head = b"POST /v1/route HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(head + b"{" + b" " * (3 * bodies.SMALL_BYTES))
    large: dict[str, Any] = {"query": "q" * 4 * bodies.SMALL_BYTES}
    async with asyncio.timeout(30):
        while (status := (await http.post("/v1/route", large))[0]) == 200:
            pass
    assert status == 429
    assert (await http.post("/v1/route", {"query": "q"}))[0] == 200
    writer.transport.abort()
    async with asyncio.timeout(30):
        while (await http.post("/v1/route", large))[0] == 429:
            pass
