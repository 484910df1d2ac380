"""What is routed: the last user message that has text, in all three APIs."""

from typing import Any

import pytest

from gateway.openai.answers import OpenAiError
from gateway.openai.query import Api, query, text_bytes

USER, IMAGE = {"role": "user", "content": "hi"}, {"type": "image_url", "image_url": {"url": "data:,"}}
ASSISTANT = {"role": "assistant", "content": "x"}
TOOL = {"role": "tool", "tool_call_id": "1", "content": "42"}


def text(given: str) -> dict[str, str]:
    return {"type": "text", "text": given}


@pytest.mark.parametrize(
    ("api", "fields", "routed"),
    [
        (Api.CHAT, {"messages": [{"role": "system", "content": "be brief"}, USER]}, "hi"),
        (Api.CHAT, {"messages": [{"role": "user", "content": "old"}, ASSISTANT, USER]}, "hi"),
        (Api.CHAT, {"messages": [USER, {"role": "assistant", "content": None}, TOOL]}, "hi"),
        (Api.CHAT, {"messages": [USER, {"role": "user", "content": [IMAGE]}]}, "hi"),
        (Api.CHAT, {"messages": [{"role": "user", "content": [text("a"), IMAGE, text("b")]}]}, "a\nb"),
        (Api.CHAT, {"messages": [{"role": "user", "content": [IMAGE]}]}, ""),
        (Api.CHAT, {"messages": [{"role": "user", "content": ["odd", {"type": "text", "text": 3}]}]}, ""),
        (Api.CHAT, {"messages": [{"role": "system", "content": "alone"}]}, ""),
        (Api.CHAT, {"messages": [{"role": "user", "content": "half \ud800 of a character"}]}, "half ? of a character"),
        (Api.COMPLETIONS, {"prompt": "once upon"}, "once upon"),
        (Api.COMPLETIONS, {"prompt": ["one", "two"]}, "one\ntwo"),
        (Api.COMPLETIONS, {"prompt": [0, 0]}, ""),
        (Api.COMPLETIONS, {"prompt": [[0], [0]]}, ""),
        (Api.RESPONSES, {"input": "hi"}, "hi"),
        (Api.RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]}, "hi"),
        (Api.RESPONSES, {"input": [USER, {"type": "function_call_output", "call_id": "1", "output": "42"}]}, "hi"),
    ],
)  # fmt: skip
def test_text_that_is_routed(api: Api, fields: dict[str, Any], routed: str) -> None:
    assert query(api, fields) == routed


@pytest.mark.parametrize(
    ("api", "fields", "param"),
    [
        (Api.CHAT, {}, "messages"),
        (Api.CHAT, {"messages": "hi"}, "messages"),
        (Api.CHAT, {"messages": [USER, "hi"]}, "messages[1]"),
        (Api.CHAT, {"messages": [USER, {"role": "user"}]}, "messages[1].content"),
        (Api.COMPLETIONS, {}, "prompt"),
        (Api.COMPLETIONS, {"prompt": ""}, "prompt"),
        (Api.COMPLETIONS, {"prompt": []}, "prompt"),
        (Api.COMPLETIONS, {"prompt": {}}, "prompt"),
        (Api.RESPONSES, {}, "input"),
        (Api.RESPONSES, {"input": ""}, "input"),
        (Api.RESPONSES, {"input": []}, "input"),
    ],
)
def test_refusal_names_the_field(api: Api, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(OpenAiError) as caught:
        query(api, fields)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        (
            {"messages": [{"role": "system", "content": "é"}, USER, {"role": "user", "content": [text("abc"), IMAGE]}]},
            7,
        ),
        ({"messages": [{"role": "assistant", "content": None}, 3, {"role": "user", "content": [3, text("a")]}]}, 1),
        ({"prompt": ["one", "two"]}, 6),
        ({"prompt": [0, 0]}, 0),
        ({"input": "hi", "instructions": "be brief"}, 10),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]}, 2),
        ({}, 0),
    ],
)
def test_size_of_all_text(fields: dict[str, Any], size: int) -> None:
    assert text_bytes(fields) == size
