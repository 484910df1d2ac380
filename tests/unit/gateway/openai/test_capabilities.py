"""Ten thousand generated requests to every door: none goes, or may fall over, to an LLM that lacks what it needs."""

import json
import random
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import InvalidRequestError
from gateway.grpc_api.requests import checked
from gateway.limits.query_budget import QueryBudget
from gateway.openai.apis import APIS, Api
from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.routing import Routing
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import Router
from routerdc_contract.v1 import router_pb2 as pb
from tests.support.fakes.scorer import FakeScorer
from tests.unit.gateway.conftest import endpoints_file
from tests.unit.gateway.openai.conftest import MakeRouting

BODIES = 10_000
DOORS = len(APIS) + 1
LLMS: dict[str, tuple[set[str], set[str]]] = {  # capabilities, protocols
    "alpha": ({"tools", "json_schema", "json_object"}, {"openai"}),
    "beta": ({"vision", "tools", "files"}, {"openai", "anthropic"}),
    "gamma": ({"vision", "audio", "video", "json_object"}, {"openai", "anthropic"}),
}
Body = dict[str, Any]
Change = Callable[[Body, random.Random], None]


def text(kind: str = "text") -> Body:
    return {"type": kind, "text": "hi"}


def in_a_message(field: str, part: Body, within: str | None = None) -> Change:
    """Puts `part` into a content of a message at any place, perhaps inside of a part of kind `within`."""

    def change(body: Body, chance: random.Random) -> None:
        inner = {"type": within, "content": [text(), part]} if within else part
        content: list[Any] = [text("input_text" if field == "input" else "text")] * chance.randrange(3)
        content.insert(chance.randrange(len(content) + 1), inner)
        body[field].insert(chance.randrange(len(body[field]) + 1), {"role": "user", "content": content})

    return change


def in_the_list(field: str, item: Body) -> Change:
    return lambda body, chance: body[field].insert(chance.randrange(len(body[field]) + 1), item)


def member(**members: Any) -> Change:
    return lambda body, chance: body.update(members)


def call(kind: str, **more: Any) -> Body:
    return {"type": kind, "call_id": "1", **more}


NEEDS: dict[str, list[tuple[set[str], Change]]] = {
    "/v1/chat/completions": [
        ({"vision"}, in_a_message("messages", {"type": "image_url", "image_url": {"url": "data:,"}})),
        ({"vision"}, in_a_message("messages", {"image_url": "data:,"})),
        ({"audio"}, in_a_message("messages", {"type": "input_audio", "input_audio": {}})),
        ({"audio"}, member(modalities=["text", "audio"])),
        ({"video"}, in_a_message("messages", {"type": "video_url", "video_url": {}})),
        ({"files"}, in_a_message("messages", {"type": "file", "file": {}})),
        ({"audio"}, in_the_list("messages", {"role": "assistant", "audio": {"id": "1"}})),
        ({"tools"}, member(tools=[{"type": "function"}])),
        ({"tools"}, in_the_list("messages", {"role": "tool", "tool_call_id": "1", "content": "42"})),
        ({"tools"}, in_the_list("messages", {"role": "assistant", "tool_calls": [{}]})),
        ({"json_schema"}, member(response_format={"type": "json_schema", "json_schema": {}})),
        ({"json_object"}, member(response_format={"type": "json_object"})),
    ],
    "/v1/completions": [({"json_schema"}, member(response_format={"type": "json_schema"}))],
    "/v1/responses": [
        ({"vision"}, in_a_message("input", {"type": "input_image", "image_url": "data:,"})),
        ({"vision", "tools"}, in_the_list("input", call("function_call_output", output=[{"type": "input_image"}]))),
        (
            {"vision", "tools"},
            in_the_list("input", call("computer_call_output", output={"type": "computer_screenshot"})),
        ),
        ({"vision"}, member(prompt={"id": "p", "variables": {"i": {"type": "input_image"}}})),
        ({"files"}, in_a_message("input", {"type": "input_file", "file_id": "1"})),
        ({"tools"}, in_the_list("input", call("custom_tool_call"))),
        ({"tools"}, member(tools=[{"type": "web_search"}])),
        ({"json_schema"}, member(text={"format": {"type": "json_schema"}})),
    ],
    "/v1/messages": [
        ({"vision"}, in_a_message("messages", {"type": "image", "source": {}})),
        ({"vision", "tools"}, in_a_message("messages", {"type": "image", "source": {}}, "tool_result")),
        ({"vision", "files"}, in_a_message("messages", {"type": "image", "source": {}}, "document")),
        ({"files"}, in_a_message("messages", {"type": "document", "source": {"type": "text", "data": "x"}})),
        ({"tools"}, in_a_message("messages", {"type": "tool_use", "id": "1", "name": "f", "input": {}})),
        ({"tools"}, in_a_message("messages", {"type": "code_execution_tool_result", "content": {}})),
        ({"tools"}, member(tools=[{"name": "f"}])),
        ({"json_schema"}, member(output_config={"format": {"type": "json_schema"}})),
    ],
}
NEEDS["/v1/messages/count_tokens"] = NEEDS["/v1/messages"]


def generated(api: Api, chance: random.Random) -> tuple[set[str], Body]:
    body: Body = {"model": chance.choice(["auto", "auto", *LLMS])}
    user = {"role": "user", "content": "hi"}
    body[api.text_field] = "hi" if api.text_field == "prompt" else [user] * chance.randrange(1, 3)
    needs: set[str] = set()
    for needed, change in chance.sample(NEEDS[api.path], chance.randrange(min(3, len(NEEDS[api.path])) + 1)):
        earlier = body.get("response_format")
        change(body, chance)
        if earlier is not None and body["response_format"] != earlier:
            body["response_format"] = earlier  # one body has one
            continue
        needs |= needed
    return needs, dict(chance.sample(list(body.items()), len(body)))


def listed() -> dict[str, Any]:
    """The LLMs of endpoints.yaml with what they can do."""
    llms: dict[str, Any] = endpoints_file().model_dump(mode="json")["llms"]
    for name, (capabilities, protocols) in LLMS.items():
        llms[name] |= {"capabilities": sorted(capabilities), "protocols": sorted(protocols)}
    return llms


@pytest.mark.parametrize("path", APIS)
async def test_no_request_reaches_an_llm_that_lacks_what_it_needs(make_routing: MakeRouting, path: str) -> None:
    routing, api, chance = make_routing(file={"llms": listed()}), APIS[path], random.Random(path)
    refused = 0
    for _ in range(BODIES // DOORS):
        needs, body = generated(api, chance)
        named = {body["model"]} & LLMS.keys() or LLMS.keys()
        able = {llm for llm in named if needs <= LLMS[llm][0] and api.protocol in LLMS[llm][1]}
        outcome = await candidates(routing, api, json.dumps(body).encode())
        assert (set() if isinstance(outcome, OpenAiError) else outcome) == able, (body, outcome)
        if isinstance(outcome, OpenAiError):
            assert outcome.param is not None
            refused += 1
    assert 0 < refused < BODIES // DOORS


async def candidates(routing: Routing, api: Api, body: bytes) -> set[str] | OpenAiError:
    try:
        routed = await routing.route(api, body)
    except OpenAiError as error:
        return error
    return {attempt.partition("#")[0] for attempt in routed.attempts}


async def test_no_decision_names_an_llm_that_lacks_what_the_chat_needs() -> None:
    parts = {
        "image_url": "vision",
        "input_audio": "audio",
        "video_url": "video",
        "file": "files",
        "tool_result": "tools",
    }
    router = Router(PoolRef(Pool(endpoints_file(llms=listed()))), FakeScorer(), QueryBudget(10, 1))
    chance, refused, field = random.Random(0), 0, ""
    for _ in range(BODIES // DOORS):
        kinds = chance.sample(sorted(parts), chance.randrange(3))
        needs = {parts[kind] for kind in kinds}
        chat = pb.ChatMessages(messages=[pb.ChatMessage(role="user", content="hi")])
        for kind in kinds:
            content = [pb.ContentPart(type="text", text="hi"), pb.ContentPart(type=kind)][chance.randrange(2) :]
            chat.messages.insert(chance.randrange(len(chat.messages) + 1), pb.ChatMessage(role="user", parts=content))
        able = {llm for llm in LLMS if needs <= LLMS[llm][0]}
        try:
            query = checked(pb.RouteRequest(chat=chat, max_candidates=9), router.pool.names, 10**6)
            named = {one.llm for one in (await router.route(query, time.monotonic() + 5)).candidates}
        except InvalidRequestError as error:
            named, refused, field = set(), refused + 1, error.field
        assert named == able, chat
    assert re.fullmatch(r"chat\.messages\[\d\]\.parts\[\d\]", field)
    assert 0 < refused < BODIES // DOORS
