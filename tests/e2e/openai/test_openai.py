"""OpenAI's own client through a real Envoy: what is sent to `auto` reaches the chosen LLM, unchanged."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from backports import zstd

from tests.e2e.envoy_fixtures import MIB, Plane, data_plane
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["buffered", "duplex"])
async def running(request: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plane]:
    folder = tmp_path_factory.mktemp(request.param)
    async with data_plane(folder, flags=["--body-mode", request.param]) as plane:
        yield plane


@pytest.fixture
def plane(running: Plane) -> Plane:
    running.reset()
    return running


def user(content: Any) -> Any:
    return [{"role": "user", "content": content}]


async def test_auto_goes_to_the_chosen_llm_and_headers_say_so(plane: Plane) -> None:
    plane.prefer("what is 2+2?", "beta", "alpha", "gamma")
    raw = await plane.client.chat.completions.with_raw_response.create(model="auto", messages=user("what is 2+2?"))
    assert raw.parse().model == "beta"
    assert raw.headers["x-routerdc-llm"] == "beta"
    assert raw.headers["x-routerdc-reason"] == "routed"
    assert float(raw.headers["x-routerdc-time-ms"]) > 0
    assert raw.headers["x-envoy-attempt-count"] == "1"
    (received,) = plane.llms["beta"].received
    assert json.loads(received.body) == {"model": "beta/model", "messages": user("what is 2+2?")}
    assert received.headers["Host"] == f"127.0.0.1:{plane.llms['beta'].port}"


async def test_nothing_internal_and_no_key_of_the_caller_reaches_an_endpoint(plane: Plane) -> None:
    await plane.client.chat.completions.create(
        model="auto", messages=user("hi"), extra_headers={"x-envoy-max-retries": "9", "x-routerdc-llm": "mine"}
    )
    (received,) = plane.llms["beta"].received
    names = {name.lower() for name in received.headers}
    assert "authorization" not in names
    assert not {name for name in names if name.startswith(("x-routerdc", "x-gateway", "x-envoy-max"))}


async def test_stream_arrives_while_it_is_being_written(plane: Plane) -> None:
    plane.llms["beta"].behave(chunk_delay_ms=20)
    stream = await plane.client.chat.completions.create(model="auto", messages=user("hi"), stream=True)
    words = [(await anext(aiter(stream))).choices[0].delta.content or ""]
    assert plane.llms["beta"].answered == 0
    words += [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "standing in for beta" in "".join(words)
    assert plane.llms["beta"].answered == 1


async def test_tools_and_unknown_fields_arrive_byte_for_byte(plane: Plane) -> None:
    body = (
        '{"messages":[{"role":"user","content":"caf\\u00e9 \\ud83d\\ude00"},{"role":"assistant","content":null,'
        '"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\\"model\\": \\"auto\\"}"}}]},'
        '{"role":"tool","tool_call_id":"1","content":"42"}],  "seed": 123456789012345678901234567890, "model" : %s ,'
        '"tools":[{"type":"function","function":{"name":"f","parameters":{"model":"auto"}}}],"x":1.10E+2}'
    )
    answer = await _post(plane, (body % '"auto"').encode())
    assert answer.status_code == 200
    assert plane.llms["beta"].received[0].body == (body % '"beta/model"').encode()
    assert plane.scorer.batches == [["café 😀"]]


async def test_content_arrays_are_routed_by_their_text_and_images_pass(plane: Plane) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0KGgo" * 1000}}
    content = [{"type": "text", "text": "what is"}, image, {"type": "text", "text": "this?"}]
    plane.prefer("what is\nthis?", "gamma", "alpha", "beta")
    await plane.client.chat.completions.create(model="auto", messages=user(content))
    assert plane.scorer.batches == [["what is\nthis?"]]
    assert json.loads(plane.llms["gamma"].received[0].body)["messages"] == user(content)


async def test_only_an_image_goes_to_the_default_and_says_so(plane: Plane) -> None:
    content = [{"type": "image_url", "image_url": {"url": "data:,"}}]
    raw = await plane.client.chat.completions.with_raw_response.create(model="auto", messages=user(content))
    assert (raw.headers["x-routerdc-llm"], raw.headers["x-routerdc-reason"]) == ("gamma", "fallback")


async def test_completions_are_routed_by_their_prompt(plane: Plane) -> None:
    plane.prefer("once upon", "alpha", "beta", "gamma")
    completion = await plane.client.completions.create(model="auto", prompt="once upon")
    assert "standing in for alpha" in completion.choices[0].text


async def test_responses_are_routed_by_their_input_whole_and_streamed(plane: Plane) -> None:
    plane.prefer("hello there", "alpha", "beta", "gamma")
    response = await plane.client.responses.create(model="auto", input="hello there")
    assert "standing in for alpha" in response.output_text
    given: Any = [{"role": "user", "content": [{"type": "input_text", "text": "hello there"}]}]
    stream = await plane.client.responses.create(model="auto", input=given, stream=True)
    kinds = [event.type async for event in stream]
    assert kinds[-1] == "response.completed"
    assert len(plane.llms["alpha"].received) == 2


async def test_named_llm_is_asked_itself(plane: Plane) -> None:
    raw = await plane.client.chat.completions.with_raw_response.create(model="gamma", messages=user("hi"))
    assert raw.parse().model == "gamma"
    assert raw.headers["x-routerdc-reason"] == "named"
    assert json.loads(plane.llms["gamma"].received[0].body)["model"] == "gamma/model"
    assert plane.scorer.batches == []


async def test_models_lists_virtual_models_and_llms(plane: Plane) -> None:
    assert [model.id async for model in plane.client.models.list()] == ["auto", "alpha", "beta", "gamma"]
    assert (await plane.client.models.retrieve("beta")).owned_by == "pool"
    with pytest.raises(openai.NotFoundError, match="there are: auto, alpha, beta, gamma"):
        await plane.client.models.retrieve("delta")


async def test_unknown_model_gets_404_that_names_the_models(plane: Plane) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await plane.client.chat.completions.create(model="gpt-7", messages=user("hi"))
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
    assert "auto, alpha, beta, gamma" in caught.value.message


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        (b"{", None, "not a JSON object"),
        (b'{"model": "auto", "messages": ["\xff"]}', None, "not UTF-8"),
        (b'{"messages": [{"role": "user", "content": "hi"}]}', "model", "required"),
        (b'{"model": "auto"}', "messages", "required"),
        (b'{"model": "auto", "messages": []}', "messages", "required"),
        (b'{"model": "auto", "messages": [3]}', "messages[0]", "object"),
        (b'{"model": "auto", "messages": [{"role": "user", "content": 3}]}', "messages[0].content", "string or a list"),
    ],
)
async def test_bad_body_gets_400_that_names_the_field(plane: Plane, body: bytes, param: str | None, said: str) -> None:
    answer = await _post(plane, body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert said in error["message"]


async def test_other_paths_get_404_in_openai_form(plane: Plane) -> None:
    with pytest.raises(openai.NotFoundError, match="/v1/chat/completions"):
        await plane.client.embeddings.create(model="auto", input="hi")


async def test_stored_responses_are_not_here_and_the_answer_says_where(plane: Plane) -> None:
    with pytest.raises(openai.NotFoundError, match="x-routerdc-llm") as caught:
        await plane.client.responses.retrieve("resp_1")
    assert caught.value.code == "stored_at_the_provider"


async def test_body_of_8_mib_arrives_whole(plane: Plane) -> None:
    head, tail = b'{"model": "auto", "messages": [{"role": "user", "content": "hi"}], "user": "', b'"}'
    body = head + b"x" * (8 * MIB - len(head) - len(tail)) + tail
    answer = await _post(plane, body)
    assert answer.status_code == 200
    assert plane.llms["beta"].received[0].body == body.replace(b'"auto"', b'"beta/model"', 1)


async def test_body_of_unknown_length_is_routed(plane: Plane) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"model": "auto", "messages": [{"role": "user", '
        yield b'"content": "hi"}]}'

    answer = await _post(plane, pieces())
    assert answer.status_code == 200
    assert json.loads(plane.llms["beta"].received[0].body) == {"model": "beta/model", "messages": user("hi")}


async def test_larger_body_of_unknown_length_gets_413(plane: Plane) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"model": "auto", "x": "'
        for _ in range(9):
            yield b"x" * MIB
        yield b'"}'

    assert (await _post(plane, pieces())).status_code == 413


async def test_larger_body_gets_413(plane: Plane) -> None:
    answer = await _post(plane, b'{"model": "auto", "x": "' + b"x" * 9 * MIB + b'"}')
    assert answer.status_code == 413


async def test_text_that_was_cut_for_routing_is_said_in_a_header(plane: Plane) -> None:
    long = "x" * (MIB + 1)
    raw = await plane.client.chat.completions.with_raw_response.create(model="auto", messages=user(long))
    assert raw.headers["x-routerdc-truncated"] == "true"
    raw = await plane.client.chat.completions.with_raw_response.create(model="auto", messages=user("short"))
    assert "x-routerdc-truncated" not in raw.headers


async def test_callers_request_id_and_the_providers_are_both_told(plane: Plane) -> None:
    raw = await plane.client.chat.completions.with_raw_response.create(
        model="auto", messages=user("hi"), extra_headers={"x-request-id": "mine-1"}
    )
    assert raw.headers["x-request-id"] == "mine-1"
    assert raw.headers["x-upstream-request-id"] == "req-of-beta"
    outwards = {name.lower(): value for name, value in plane.llms["beta"].received[0].headers.items()}
    assert outwards["x-request-id"] == "mine-1"
    await until(lambda: '"mine-1"' in plane.access_log.read_text())


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_compressed_body_is_routed_and_a_bomb_refused(plane: Plane, coding: str) -> None:
    compress = gzip.compress if coding == "gzip" else zstd.compress
    body = b'{"model": "auto", "messages": [{"role": "user", "content": "hi"}]}'
    answer = await _post(plane, compress(body), coding)
    assert answer.status_code == 200
    assert plane.llms["beta"].received[0].body == body.replace(b"auto", b"beta/model")
    answer = await _post(plane, compress(b" " * 9 * MIB + body), coding)
    assert answer.status_code == 413
    assert "inflates to more than the limit" in answer.json()["error"]["message"]


async def test_stored_prompt_without_an_input_is_routed_by_its_variables(plane: Plane) -> None:
    plane.prefer("2+2?", "alpha", "beta", "gamma")
    prompt: Any = {"id": "pmpt_1", "variables": {"q": "2+2?"}}
    with pytest.raises(openai.BadRequestError) as caught:  # a demo keeps no prompts
        await plane.client.responses.create(model="auto", prompt=prompt)
    assert caught.value.response.headers["x-routerdc-llm"] == "alpha"
    assert json.loads(plane.llms["alpha"].received[0].body) == {"model": "alpha/model", "prompt": prompt}


STORED: list[dict[str, Any]] = [
    {"previous_response_id": "resp_1"},
    {"conversation": "conv_1"},
    {"background": True, "store": True},
    {"prompt": {"id": "pmpt_1", "variables": {"style": "brief"}}},
]


@pytest.mark.parametrize("stored", STORED, ids=lambda stored: next(iter(stored)))
async def test_what_a_provider_keeps_is_passed_on_and_routed_by_the_input(plane: Plane, stored: dict[str, Any]) -> None:
    plane.prefer("2+2?", "gamma", "beta", "alpha")
    raw = await plane.client.responses.with_raw_response.create(model="auto", input="2+2?", **stored)
    assert (raw.headers["x-routerdc-llm"], raw.headers["x-routerdc-reason"]) == ("gamma", "routed")
    assert json.loads(plane.llms["gamma"].received[0].body) == {"model": "gamma/model", "input": "2+2?", **stored}


async def test_an_earlier_response_is_looked_for_at_the_next_candidates(plane: Plane) -> None:
    plane.prefer("and then?", "gamma", "beta", "alpha")
    plane.llms["gamma"].behave(status=404)
    raw = await plane.client.responses.with_raw_response.create(
        model="auto", input="and then?", previous_response_id="resp_of_beta"
    )
    assert (raw.headers["x-routerdc-llm"], raw.headers["x-envoy-attempt-count"]) == ("beta", "2")
    for llm in plane.llms.values():
        llm.behave(status=404)
    with pytest.raises(openai.NotFoundError):
        await plane.client.responses.create(model="auto", input="and then?", previous_response_id="nobodys")


async def test_client_that_hangs_up_in_mid_stream_ends_the_endpoints_work(plane: Plane) -> None:
    plane.llms["beta"].behave(chunk_delay_ms=200)
    stream = await plane.client.chat.completions.create(model="auto", messages=user("hi"), stream=True)
    await anext(aiter(stream))
    await stream.close()
    await until(lambda: plane.llms["beta"].abandoned == 1)
    assert plane.llms["beta"].answered == 0


async def test_client_that_hangs_up_before_the_decision_cancels_the_scoring(plane: Plane) -> None:
    plane.scorer.delays_seconds["slow"] = 4
    with pytest.raises(openai.APITimeoutError):
        await plane.client.chat.completions.create(model="auto", messages=user("slow"), timeout=0.3)
    await until(lambda: "slow" in plane.scorer.cancelled)


async def test_five_streams_at_once_each_get_their_own_answer(plane: Plane) -> None:
    for n in range(5):
        plane.prefer(f"query {n}", *(("alpha", "beta", "gamma") if n % 2 else ("gamma", "beta", "alpha")))

    async def one(n: int) -> str:
        stream = await plane.client.chat.completions.create(model="auto", messages=user(f"query {n}"), stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    answers = await asyncio.gather(*map(one, range(5)))
    assert [("alpha" in answer) for answer in answers] == [False, True, False, True, False]


async def _post(plane: Plane, body: bytes | AsyncIterator[bytes], coding: str = "") -> Any:
    """A body that OpenAI's client would not write."""
    url = f"{plane.envoy.base_url}/chat/completions"
    headers = {"content-type": "application/json"} | ({"content-encoding": coding} if coding else {})
    return await plane.client._client.post(url, content=body, headers=headers)
