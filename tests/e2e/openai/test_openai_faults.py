"""OpenAI's client through a real Envoy when something fails: an endpoint, the router, the gateway."""

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from backports import zstd
from click.testing import CliRunner

from deploy.local.envoy import Envoy
from gateway.envoy_config.command import envoy_config
from gateway.errors import ScorerUnavailableError
from tests.e2e.envoy_fixtures import MIB, Plane, data_plane
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plane]:
    flags = ["--decision-timeout-ms", "500", "--first-byte-timeout-seconds", "1"]
    virtual = {"auto": {}, "careful": {"default": ["beta"]}}
    async with data_plane(tmp_path_factory.mktemp("faults"), flags=flags, virtual_models=virtual) as plane:
        yield plane


@pytest.fixture
def plane(running: Plane) -> Plane:
    running.reset()
    running.prefer("hello", "alpha", "beta", "gamma")
    return running


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 500}, {"status": 429}, {"reset": True}, {"delay_ms": 3000}], ids=str
)
async def test_next_candidate_answers_where_the_first_fails(plane: Plane, fault: dict[str, Any]) -> None:
    plane.llms["alpha"].behave(**fault)
    raw = await plane.client.chat.completions.with_raw_response.create(model="auto", messages=HELLO)
    assert raw.parse().model == raw.headers["x-routerdc-llm"] == "beta"
    assert raw.headers["x-envoy-attempt-count"] == "2"
    assert json.loads(plane.llms["beta"].received[0].body) == {"model": "beta/model", "messages": HELLO}
    assert plane.llms["beta"].received[0].path == "/v1/chat/completions"


async def test_third_candidate_answers_a_stream_where_two_fail(plane: Plane) -> None:
    plane.llms["alpha"].behave(reset=True)
    plane.llms["beta"].behave(status=503)
    stream = await plane.client.chat.completions.create(model="auto", messages=HELLO, stream=True)
    assert "standing in for gamma" in "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert json.loads(plane.llms["gamma"].received[0].body)["model"] == "gamma/model"


async def test_last_error_is_answered_where_all_fail(plane: Plane) -> None:
    for llm in plane.llms.values():
        llm.behave(status=503)
    with pytest.raises(openai.InternalServerError, match="told to fail"):
        await plane.client.chat.completions.create(model="auto", messages=HELLO)
    assert [len(llm.received) for llm in plane.llms.values()] == [1, 1, 1]


async def test_error_that_another_llm_would_make_too_is_passed_on(plane: Plane) -> None:
    plane.llms["alpha"].behave(status=400)
    with pytest.raises(openai.BadRequestError):
        await plane.client.chat.completions.create(model="auto", messages=HELLO)
    assert plane.llms["beta"].received == []


@pytest.mark.parametrize(
    "message",
    [
        "This model does not support image input.",
        "Unsupported parameter: 'tools'",
        "At most 0 image(s) may be provided in one prompt.",
        "This model's maximum context length is 4096 tokens.",
    ],
)
async def test_next_candidate_answers_where_the_llm_says_that_it_lacks_something(plane: Plane, message: str) -> None:
    plane.llms["alpha"].behave(status=400, message=message)
    raw = await plane.client.chat.completions.with_raw_response.create(model="auto", messages=HELLO)
    assert (raw.parse().model, raw.headers["x-envoy-attempt-count"]) == ("beta", "2")
    assert not {name for name in raw.headers if "retry" in name}
    for llm in plane.llms.values():
        llm.behave(status=400, message=message)
    with pytest.raises(openai.BadRequestError, match=re.escape(message)):
        await plane.client.chat.completions.create(model="auto", messages=HELLO)
    before = len(plane.llms["alpha"].received)
    with pytest.raises(openai.BadRequestError, match=re.escape(message)):
        await plane.client.chat.completions.create(model="alpha", messages=HELLO)
    assert len(plane.llms["alpha"].received) == before + 1


async def test_stream_that_breaks_off_is_not_begun_anew(plane: Plane) -> None:
    plane.llms["alpha"].behave(reset_after_chunks=3, chunk_delay_ms=10)
    stream = await plane.client.chat.completions.create(model="auto", messages=HELLO, stream=True)
    with pytest.raises(openai.APIConnectionError):
        [chunk async for chunk in stream]
    assert plane.llms["beta"].received == []


async def test_named_llm_is_tried_again_and_never_replaced(plane: Plane) -> None:
    plane.llms["alpha"].behave(status=503)
    with pytest.raises(openai.InternalServerError):
        await plane.client.chat.completions.create(model="alpha", messages=HELLO)
    assert [len(llm.received) for llm in plane.llms.values()] == [2, 0, 0]


@pytest.mark.parametrize(("model", "default"), [("auto", "gamma"), ("careful", "beta")])
async def test_default_answers_where_the_scorer_fails(plane: Plane, model: str, default: str) -> None:
    plane.scorer.faults["hello"] = ScorerUnavailableError("down")
    raw = await plane.client.chat.completions.with_raw_response.create(model=model, messages=HELLO)
    assert (raw.headers["x-routerdc-llm"], raw.headers["x-routerdc-reason"]) == (default, "fallback")


@pytest.mark.parametrize(("model", "default"), [("auto", "gamma"), ("careful", "beta")])
async def test_default_answers_where_the_gateway_is_too_slow(plane: Plane, model: str, default: str) -> None:
    plane.scorer.delays_seconds["hello"] = 3
    raw = await plane.client.chat.completions.with_raw_response.create(model=model, messages=HELLO)
    assert (raw.headers["x-routerdc-llm"], raw.headers["x-routerdc-reason"]) == (default, "fallback")
    assert json.loads(plane.llms[default].received[0].body) == {"model": f"{default}/model", "messages": HELLO}


async def test_access_log_tells_the_decision_and_no_prompt(plane: Plane) -> None:
    secret: Any = [{"role": "user", "content": "my secret prompt"}]
    plane.prefer("my secret prompt", "beta", "alpha", "gamma")
    plane.llms["beta"].behave(status=503)
    raw = await plane.client.chat.completions.with_raw_response.create(
        model="auto", messages=secret, extra_query={"secret": "yes"}
    )
    request_id = raw.headers["x-request-id"]
    await until(lambda: request_id in plane.access_log.read_text())
    text = plane.access_log.read_text()
    entry = next(entry for entry in map(json.loads, text.splitlines()) if entry["request_id"] == request_id)
    told = {name: entry[name] for name in ("chosen_llm", "answered_by", "reason", "attempts", "status", "path")}
    assert told == {
        "chosen_llm": "beta",
        "answered_by": "alpha",
        "reason": "routed",
        "attempts": 2,
        "status": 200,
        "path": "/v1/chat/completions",
    }
    assert "secret" not in text


async def test_default_answers_where_the_gateway_dies_while_it_decides(tmp_path: Path) -> None:
    async with data_plane(tmp_path) as plane:
        plane.scorer.delays_seconds["hello"] = 30
        create: Any = plane.client.chat.completions.with_raw_response.create
        asked = asyncio.create_task(create(model="auto", messages=HELLO))
        await until(lambda: plane.scorer.batches)
        await plane.gateway.stop(None)
        raw = await asked
        assert (raw.headers["x-routerdc-llm"], raw.headers["x-routerdc-reason"]) == ("gamma", "fallback")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def orphaned(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plane]:
    """A data plane whose gateway has gone."""
    virtual = {"auto": {}, "careful": {"default": ["beta"]}}
    async with data_plane(tmp_path_factory.mktemp("orphaned"), virtual_models=virtual) as plane:
        await plane.gateway.stop(None)
        yield plane


@pytest.mark.parametrize(
    ("model", "llm"), [("auto", "gamma"), ("careful", "beta"), ("alpha", "alpha"), ("beta", "beta")]
)
async def test_without_a_gateway_defaults_and_named_llms_still_answer(orphaned: Plane, model: str, llm: str) -> None:
    orphaned.reset()
    raw = await orphaned.client.chat.completions.with_raw_response.create(model=model, messages=HELLO)
    assert raw.parse().model == raw.headers["x-routerdc-llm"] == llm
    assert raw.headers["x-routerdc-reason"] == "fallback"
    assert json.loads(orphaned.llms[llm].received[0].body) == {"model": f"{llm}/model", "messages": HELLO}


async def test_without_a_gateway_a_body_of_unknown_length_still_arrives(orphaned: Plane) -> None:
    orphaned.reset()
    orphaned.llms["gamma"].behave(status=503)

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"messages": [{"role": "user", "content": "hello"}], '
        yield b'"model": "auto"}'

    url = f"{orphaned.envoy.base_url}/chat/completions"
    answer = await orphaned.client._client.post(url, content=pieces(), headers={"content-type": "application/json"})
    assert answer.headers["x-routerdc-llm"] == "alpha"
    assert json.loads(orphaned.llms["alpha"].received[0].body) == {"model": "alpha/model", "messages": HELLO}


async def test_without_a_gateway_a_failing_default_is_followed_by_the_next(orphaned: Plane) -> None:
    orphaned.reset()
    orphaned.llms["gamma"].behave(reset=True)
    raw = await orphaned.client.chat.completions.with_raw_response.create(model="auto", messages=HELLO)
    assert raw.headers["x-routerdc-llm"] == "alpha"
    assert json.loads(orphaned.llms["alpha"].received[0].body)["model"] == "alpha/model"


async def test_without_a_gateway_other_models_are_refused_and_the_known_are_listed(orphaned: Plane) -> None:
    with pytest.raises(openai.InternalServerError, match="router is not reachable"):
        await orphaned.client.chat.completions.create(model="gpt-7", messages=HELLO)
    with pytest.raises(openai.InternalServerError, match="router is not reachable"):
        await orphaned.client.models.retrieve("gpt-7")
    assert [model.id async for model in orphaned.client.models.list()] == ["auto", "careful", "alpha", "beta", "gamma"]


def without_gamma(config: dict[str, Any]) -> None:
    """The configuration of an Envoy that has read an endpoints.yaml without the LLM gamma."""
    resources = config["static_resources"]
    (gamma,) = (one for one in resources["clusters"] if one["name"].startswith("gamma#"))
    resources["clusters"].remove(gamma)
    manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    for route in manager["route_config"]["virtual_hosts"][0]["routes"]:
        if "metadata" in route:
            (known,) = route["metadata"]["filter_metadata"].values()
            known["clusters"].pop(gamma["name"], None)
            known["candidates"].pop("gamma", None)


async def test_what_a_gateway_knows_before_envoy_does_is_left_out(tmp_path: Path) -> None:
    async with data_plane(tmp_path, alter=without_gamma) as plane:
        plane.prefer("hello", "gamma", "alpha", "beta")
        assert (await plane.client.chat.completions.create(model="auto", messages=HELLO)).model == "alpha"
        assert json.loads(plane.llms["alpha"].received[0].body)["model"] == "alpha/model"
        with pytest.raises(openai.InternalServerError, match="does not know an endpoint of this model"):
            await plane.client.chat.completions.create(model="gamma", messages=HELLO)


async def test_without_a_gateway_each_llm_still_gets_its_own_parameters(tmp_path: Path) -> None:
    async with data_plane(tmp_path, default=["alpha", "beta"]) as plane:
        endpoints = yaml.safe_load((tmp_path / "endpoints.yaml").read_text())
        endpoints["llms"]["alpha"]["parameters"] = {"reasoning_effort": "high", "top_p": 0.5}
        (tmp_path / "other.yaml").write_text(yaml.safe_dump(endpoints))
        flags = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--gateway", "127.0.0.1:9"]
        command = ["--endpoints", str(tmp_path / "other.yaml"), "--out", str(tmp_path / "other-envoy.yaml"), *flags]
        assert CliRunner().invoke(envoy_config, [*command, "--access-log", "/dev/null"]).exit_code == 0
        with Envoy(tmp_path / "other-envoy.yaml", log=tmp_path / "other.log") as envoy:
            plane.llms["alpha"].behave(status=503)
            url, sent = f"{envoy.base_url}/chat/completions", {"model": "auto", "top_p": 1, "messages": HELLO}
            answer = await plane.client._client.post(url, json=sent)
        assert answer.headers["x-routerdc-llm"] == "beta"
        own = {"model": "alpha/model", "reasoning_effort": "high", "top_p": 0.5}
        assert json.loads(plane.llms["alpha"].received[-1].body) == sent | own
        assert json.loads(plane.llms["beta"].received[-1].body) == sent | {"model": "beta/model"}


async def test_without_a_gateway_nobody_answers_where_envoy_was_told_so(tmp_path: Path) -> None:
    async with data_plane(tmp_path, flags=["--fail-closed"]) as plane:
        assert (await plane.client.chat.completions.create(model="auto", messages=HELLO)).model == "beta"
        plane.reset()
        await plane.gateway.stop(None)
        for model in ("auto", "alpha"):
            with pytest.raises(openai.InternalServerError) as caught:
                await plane.client.chat.completions.create(model=model, messages=HELLO)
            assert caught.value.status_code == 503
            assert caught.value.code == "router_unavailable"
        assert not any(llm.received for llm in plane.llms.values())


async def test_endpoint_that_is_down_is_passed_over(tmp_path: Path) -> None:
    nobody = {"alpha": {"address": "http://127.0.0.1:9/v1"}}
    async with data_plane(tmp_path, llms=nobody) as plane:
        plane.prefer("hello", "alpha", "beta", "gamma")
        answers = await asyncio.gather(
            *(plane.client.chat.completions.create(model="auto", messages=HELLO) for _ in range(20))
        )
        assert {answer.model for answer in answers} == {"beta"}


@pytest.mark.parametrize(
    ("coding", "compress", "status"),
    [
        ("gzip", gzip.compress, 200),
        ("x-gzip", gzip.compress, 200),
        ("GZip", gzip.compress, 200),
        ("zstd", zstd.compress, 200),
        ("identity", bytes, 200),
        ("deflate", zlib.compress, 415),
        ("br", bytes, 415),
        ("gzip, zstd", bytes, 415),
        ("gzip", bytes, 400),
    ],
)
async def test_a_coded_body_is_read_alike_with_a_gateway_and_without(
    plane: Plane, orphaned: Plane, coding: str, compress: Callable[[bytes], bytes], status: int
) -> None:
    orphaned.reset()
    body = compress(json.dumps({"model": "alpha", "messages": HELLO}).encode())
    headers = {"content-type": "application/json", "content-encoding": coding}
    answers = []
    for one in (plane, orphaned):
        url = f"{one.envoy.base_url}/chat/completions"
        answers.append(await one.client._client.post(url, content=body, headers=headers))
    assert [answer.status_code for answer in answers] == [status, status], [answer.text[:200] for answer in answers]
    assert all("content-encoding" not in llm.headers for llm in orphaned.llms["alpha"].received)
    if status == 415:
        assert answers[0].json() == answers[1].json()


async def test_without_a_gateway_a_bomb_is_refused(orphaned: Plane) -> None:
    bomb = gzip.compress(b'{"model": "auto", "x": "' + b" " * 64 * MIB + b'"}')
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    url = f"{orphaned.envoy.base_url}/chat/completions"
    answer = await orphaned.client._client.post(url, content=bomb, headers=headers)
    assert answer.status_code in (400, 413)
    assert "error" in answer.json()


@pytest.mark.parametrize(("first_byte", "idle"), [(1, 1), (2, 1), (1, 2)])
async def test_silent_llms_are_passed_over_and_an_answer_that_stands_still_ends(
    tmp_path: Path, first_byte: int, idle: int
) -> None:
    """Also where both may take the same time, which is the default."""

    async def stands_still(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'data: {"id": "half of an ev')
        await asyncio.sleep(60)
        return response

    flags = ["--first-byte-timeout-seconds", str(first_byte), "--idle-timeout-seconds", str(idle)]
    async with data_plane(tmp_path, flags=flags) as plane:
        plane.prefer("hello", "alpha", "beta", "gamma")
        for silent in ("alpha", "beta"):
            plane.llms[silent].behave(delay_ms=60_000)
        raw = await plane.client.chat.completions.with_raw_response.create(model="auto", messages=HELLO)
        assert raw.headers["x-routerdc-llm"] == "gamma"
        plane.prefer("half", "gamma", "alpha", "beta")
        plane.llms["gamma"].answer = stands_still
        half: Any = [{"role": "user", "content": "half"}]
        stream = await plane.client.chat.completions.create(model="auto", messages=half, stream=True)
        with pytest.raises(openai.APIConnectionError):
            [chunk async for chunk in stream]
