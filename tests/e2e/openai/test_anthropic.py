"""Anthropic's own client through a real Envoy: routed like a chat, not translated, errors in Anthropic's form."""

import gzip
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anthropic
import pytest
import pytest_asyncio
from backports import zstd

from tests.e2e.envoy_fixtures import Plane, data_plane

pytestmark = pytest.mark.asyncio(loop_scope="module")
FOLDER = Path(__file__).parent / "agent_traces"
TRACES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
CODINGS: dict[str, Callable[[bytes], bytes]] = {"": bytes, "gzip": gzip.compress, "zstd": zstd.compress}
BOTH: dict[str, Any] = {"protocols": ["openai", "anthropic"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["buffered", "duplex"])
async def running(request: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plane]:
    folder = tmp_path_factory.mktemp(request.param)
    of_llms = {"beta": BOTH, "gamma": BOTH | {"capabilities": ["tools"]}}
    async with data_plane(folder, flags=["--body-mode", request.param], of_llms=of_llms) as plane:
        yield plane


@pytest_asyncio.fixture(loop_scope="module")
async def plane(running: Plane) -> Plane:
    running.reset()
    return running


@pytest_asyncio.fixture(loop_scope="module")
async def client(plane: Plane) -> AsyncIterator[anthropic.AsyncAnthropic]:
    base_url = plane.envoy.base_url.removesuffix("/v1")
    async with anthropic.AsyncAnthropic(base_url=base_url, api_key="the-callers-own", max_retries=0) as client:
        yield client


def user(content: Any) -> Any:
    return [{"role": "user", "content": content}]


async def test_auto_goes_to_the_best_llm_that_speaks_it(plane: Plane, client: anthropic.AsyncAnthropic) -> None:
    plane.prefer("hello", "alpha", "gamma", "beta")
    raw = await client.messages.with_raw_response.create(model="auto", max_tokens=9, messages=user("hello"))
    message = await raw.parse()
    assert (message.model, raw.headers["x-routerdc-llm"], raw.headers["x-routerdc-reason"]) == (
        "gamma",
        "gamma",
        "routed",
    )
    (received,) = plane.llms["gamma"].received
    assert json.loads(received.body) == {"model": "gamma/model", "max_tokens": 9, "messages": user("hello")}
    assert received.path == "/v1/messages"
    assert received.headers["anthropic-version"]  # whichever the client was made for
    assert "x-api-key" not in {name.lower() for name in received.headers}


async def test_stream_arrives_as_it_was_written(plane: Plane, client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.stream(model="auto", max_tokens=9, messages=user("hello")) as stream:
        kinds = [event.type async for event in stream]
        message = await stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert "standing in for beta" in str(message.content)


async def test_tokens_are_counted_by_the_llm_that_would_answer(plane: Plane, client: anthropic.AsyncAnthropic) -> None:
    plane.prefer("hello", "gamma", "beta", "alpha")
    assert (await client.messages.count_tokens(model="auto", messages=user("hello"))).input_tokens > 0
    assert [received.path for received in plane.llms["gamma"].received] == ["/v1/messages/count_tokens"]


async def test_next_candidate_gets_its_own_model(plane: Plane, client: anthropic.AsyncAnthropic) -> None:
    plane.llms["beta"].behave(status=503)
    message = await client.messages.create(model="auto", max_tokens=9, messages=user("hello"))
    assert message.model == "gamma"
    assert json.loads(plane.llms["gamma"].received[0].body)["model"] == "gamma/model"


async def test_images_go_to_llms_that_see(plane: Plane, client: anthropic.AsyncAnthropic) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    plane.prefer("what is it?", "gamma", "beta", "alpha")
    content = [image, {"type": "text", "text": "what is it?"}]
    assert (await client.messages.create(model="auto", max_tokens=9, messages=user(content))).model == "beta"
    with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\].content\[0\]: needs 'vision'"):
        await client.messages.create(model="gamma", max_tokens=9, messages=user(content))


async def test_errors_have_anthropics_form(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        await client.messages.create(model="claude-99", max_tokens=9, messages=user("hello"))
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", "not_found_error")
    with pytest.raises(anthropic.NotFoundError, match="model: alpha: served by no endpoint that speaks the anthropic"):
        await client.messages.create(model="alpha", max_tokens=9, messages=user("hello"))


async def test_wrong_method_is_refused_in_anthropics_form(plane: Plane) -> None:
    answer = await plane.client._client.get(f"{plane.envoy.base_url}/messages")
    assert (answer.status_code, answer.json()["type"], answer.headers["allow"]) == (405, "error", "POST, OPTIONS")


async def test_models_are_listed_in_anthropics_form(client: anthropic.AsyncAnthropic) -> None:
    assert [model.id async for model in client.models.list()] == ["auto", "alpha", "beta", "gamma"]


@pytest.mark.parametrize("trace", TRACES)
@pytest.mark.parametrize("coding", CODINGS)
async def test_requests_of_coding_agents_arrive_unchanged(plane: Plane, trace: str, coding: str) -> None:
    request = TRACES[trace]
    body = json.dumps(request["body"]).encode()
    sent = CODINGS[coding](body)
    headers = request["headers"] | ({"content-encoding": coding} if coding else {})
    url = plane.envoy.base_url.removesuffix("/v1") + request["path"]
    answer = await plane.client._client.post(url, content=sent, headers=headers)
    assert (answer.status_code, answer.headers["x-routerdc-llm"]) == (200, "beta")
    assert answer.headers["x-routerdc-reason"] in ("routed", "only_one")  # only one sees the screenshot
    (received,) = plane.llms["beta"].received
    assert json.loads(received.body) == request["body"] | {"model": "beta/model"}
    assert len(received.body) == len(body) + len("beta/model") - len("auto")
    assert "content-encoding" not in {name.lower() for name in received.headers}


async def test_without_a_gateway_the_default_speaks_it(tmp_path: Path) -> None:
    async with data_plane(tmp_path, of_llms={"beta": BOTH}) as plane:
        await plane.gateway.stop(None)
        base_url = plane.envoy.base_url.removesuffix("/v1")
        async with anthropic.AsyncAnthropic(base_url=base_url, api_key="x", max_retries=0) as client:
            assert (await client.messages.create(model="auto", max_tokens=9, messages=user("hello"))).model == "beta"
            with pytest.raises(anthropic.InternalServerError) as caught:
                await client.messages.create(model="alpha", max_tokens=9, messages=user("hello"))
        body: Any = caught.value.body
        assert body["type"] == "error"
