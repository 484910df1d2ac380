"""The demo endpoints speak OpenAI's chat protocol, say that they are demos, and fail when told to."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from deploy.local.demo.endpoints import DemoEndpoint

Client = TestClient[web.Request, web.Application]
CHAT = {"model": "anything", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(DemoEndpoint("some/llm").application())) as client:
        yield client


async def test_chat_completion_names_the_llm_and_says_it_is_a_demo(client: Client) -> None:
    response = await client.post("/v1/chat/completions", json=CHAT)
    body = await response.json()
    assert response.status == 200
    assert body["model"] == "some/llm"
    content = body["choices"][0]["message"]["content"]
    assert "demo" in content
    assert "some/llm" in content


async def test_stream_sends_the_same_answer_in_chunks_and_ends_with_done(client: Client) -> None:
    whole = (await (await client.post("/v1/chat/completions", json=CHAT)).json())["choices"][0]["message"]["content"]
    response = await client.post("/v1/chat/completions", json={**CHAT, "stream": True})
    assert response.content_type == "text/event-stream"
    events = [line[6:] for line in (await response.text()).splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"].get("content", "") for event in events[:-1]]
    assert "".join(deltas).strip() == whole


async def test_models_lists_the_one_llm(client: Client) -> None:
    body = await (await client.get("/v1/models")).json()
    assert [model["id"] for model in body["data"]] == ["some/llm"]


async def test_scripted_status_is_answered_and_turns_health_bad_until_reset(client: Client) -> None:
    await client.put("/demo/behaviour", json={"status": 429})
    response = await client.post("/v1/chat/completions", json=CHAT)
    assert response.status == 429
    assert "error" in await response.json()
    assert (await client.get("/health")).status == 503
    await client.put("/demo/behaviour", json={})
    assert (await client.post("/v1/chat/completions", json=CHAT)).status == 200


async def test_scripted_reset_closes_the_connection_without_an_answer(client: Client) -> None:
    await client.put("/demo/behaviour", json={"reset": True})
    with pytest.raises(aiohttp.ClientError):
        await client.post("/v1/chat/completions", json=CHAT)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("[]", "body"),
        ("{", "body"),
        ("{}", "messages"),
        ('{"messages": []}', "messages"),
        ('{"messages": 3}', "messages"),
    ],
)
async def test_bad_bodies_get_400_that_names_the_field(client: Client, body: str, field: str) -> None:
    response = await client.post("/v1/chat/completions", data=body)
    assert response.status == 400
    assert (await response.json())["error"]["message"].startswith(field)


async def test_unknown_behaviour_is_refused(client: Client) -> None:
    response = await client.put("/demo/behaviour", json={"statsu": 500})
    assert response.status == 400
    assert "statsu" in (await response.json())["error"]["message"]


async def test_completion_answers_with_text_whole_and_in_chunks(client: Client) -> None:
    whole = await (await client.post("/v1/completions", json={"model": "m", "prompt": "hello"})).json()
    stream = await client.post("/v1/completions", json={"model": "m", "prompt": "hello", "stream": True})
    events = [line[6:] for line in (await stream.text()).splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    assert "".join(json.loads(e)["choices"][0]["text"] for e in events[:-1]).strip() == whole["choices"][0]["text"]


async def test_response_answers_with_an_output_message_whole_and_in_events(client: Client) -> None:
    whole = await (await client.post("/v1/responses", json={"model": "m", "input": "hello"})).json()
    text = whole["output"][0]["content"][0]["text"]
    stream = await client.post("/v1/responses", json={"model": "m", "input": "hello", "stream": True})
    events = [json.loads(line[6:]) for line in (await stream.text()).splitlines() if line.startswith("data: ")]
    assert [events[0]["type"], events[-1]["type"]] == ["response.created", "response.completed"]
    assert "".join(event.get("delta", "") for event in events).strip() == text


async def test_scripted_reset_in_mid_stream_breaks_it_off(client: Client) -> None:
    await client.put("/demo/behaviour", json={"reset_after_chunks": 2, "chunk_delay_ms": 0})
    response = await client.post("/v1/chat/completions", json={**CHAT, "stream": True})
    assert response.status == 200
    with pytest.raises(aiohttp.ClientError):
        await response.read()
