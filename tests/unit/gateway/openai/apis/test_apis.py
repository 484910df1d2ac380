"""What is routed of a body, what it needs, and how long it is, in all APIs."""

from typing import Any

import pytest

from gateway.openai.apis import APIS, Api, Ask
from gateway.policy.capabilities import Capability

CHAT, COMPLETIONS, RESPONSES, MESSAGES, COUNT = APIS.values()
USER, IMAGE = {"role": "user", "content": "hi"}, {"type": "image_url", "image_url": {"url": "data:,"}}
SYSTEM = {"role": "system", "content": "be brief"}
ASSISTANT = {"role": "assistant", "content": "x"}
TOOL = {"role": "tool", "tool_call_id": "1", "content": "42"}
RESULT = {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "42"}]}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}


def text(given: str) -> dict[str, str]:
    return {"type": "text", "text": given}


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def ask(api: Api, fields: dict[str, Any]) -> Ask:
    return api.ask({name: value for name, value in fields.items() if name in api.fields | api.flags})


@pytest.mark.parametrize(
    ("api", "fields", "routed"),
    [
        (CHAT, {"messages": [SYSTEM, USER]}, "hi"),
        (CHAT, {"messages": [{"role": "user", "content": "old"}, ASSISTANT, USER]}, "hi"),
        (CHAT, {"messages": [USER, {"role": "assistant", "content": None}, TOOL]}, "hi"),
        (CHAT, {"messages": [USER, user(IMAGE)]}, "hi"),
        (CHAT, {"messages": [user(text("a"), IMAGE, text("b"))]}, "a\nb"),
        (CHAT, {"messages": [user("plain")]}, "plain"),
        (CHAT, {"messages": [user(IMAGE)]}, ""),
        (CHAT, {"messages": [user({"type": "text", "text": 3}, {"type": "of tomorrow"}, 7)]}, ""),
        (CHAT, {"messages": [{"role": "user", "content": None}]}, ""),
        (CHAT, {"messages": [{"role": "user"}]}, ""),
        (CHAT, {"messages": [SYSTEM]}, ""),
        (CHAT, {"messages": [{"role": "user", "content": "half \ud800 of a character"}]}, "half ? of a character"),
        (COMPLETIONS, {"prompt": "once upon"}, "once upon"),
        (COMPLETIONS, {"prompt": ["one", "two"]}, "one\ntwo"),
        (COMPLETIONS, {"prompt": [0, 0]}, ""),
        (COMPLETIONS, {"prompt": [[0], [0]]}, ""),
        (RESPONSES, {"input": "hi"}, "hi"),
        (RESPONSES, {"input": [user({"type": "input_text", "text": "hi"})]}, "hi"),
        (RESPONSES, {"input": [{"type": "input_text", "text": "hi"}]}, "hi"),
        (RESPONSES, {"input": [USER, {"type": "function_call_output", "call_id": "1", "output": "42"}]}, "hi"),
        (RESPONSES, {"conversation": "conv_1"}, ""),
        (RESPONSES, {"previous_response_id": "resp_1", "input": []}, ""),
        (RESPONSES, {"prompt": {"id": "pmpt_1"}}, ""),
        (RESPONSES, {"prompt": {"id": "pmpt_1", "variables": {"q": "2+2?", "image": IMAGE}}}, "2+2?"),
        (RESPONSES, {"prompt": {"id": "pmpt_1", "variables": {"style": "brief"}}, "input": "2+2?"}, "2+2?"),
        (RESPONSES, {"previous_response_id": "resp_1", "background": True, "store": True, "input": "2+2?"}, "2+2?"),
        (RESPONSES, {"conversation": {"id": "conv_1"}, "input": [USER]}, "hi"),
        (MESSAGES, {"system": [text("be brief")], "messages": [USER]}, "hi"),
        (MESSAGES, {"messages": [USER, ASSISTANT, user(RESULT)]}, "hi"),
        (MESSAGES, {"messages": [user(RESULT, text("and now?"))]}, "and now?"),
        (MESSAGES, {"messages": [user(PICTURE)]}, ""),
        (COUNT, {"messages": [USER]}, "hi"),
    ],
)  # fmt: skip
def test_text_that_is_routed(api: Api, fields: dict[str, Any], routed: str) -> None:
    asked = ask(api, fields)
    assert (asked.talk.text, asked.problem) == (routed, None)


@pytest.mark.parametrize(
    ("api", "fields", "field"),
    [
        (CHAT, {}, "messages"),
        (CHAT, {"messages": "hi"}, "messages"),
        (CHAT, {"messages": []}, "messages"),
        (CHAT, {"messages": [USER, "hi"]}, "messages[1]"),
        (CHAT, {"messages": [USER, {"role": "user", "content": 3}]}, "messages[1].content"),
        (CHAT, {"messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}]}, "messages[0].content"),
        (COMPLETIONS, {}, "prompt"),
        (COMPLETIONS, {"prompt": ""}, "prompt"),
        (COMPLETIONS, {"prompt": []}, "prompt"),
        (COMPLETIONS, {"prompt": {"a": 1}}, "prompt"),
        (RESPONSES, {}, "input"),
        (RESPONSES, {"input": ""}, "input"),
        (RESPONSES, {"input": []}, "input"),
        (RESPONSES, {"input": 3}, "input"),
        (RESPONSES, {"input": [USER, 3]}, "input[1]"),
        (MESSAGES, {}, "messages"),
        (MESSAGES, {"messages": [3]}, "messages[0]"),
    ],
)
def test_problem_names_the_field(api: Api, fields: dict[str, Any], field: str) -> None:
    problem = ask(api, fields).problem
    assert problem is not None
    assert problem[0] == field


def call(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "call_id": "1", **more}


NEEDS = [
    (CHAT, {"messages": [user(IMAGE)]}, {"vision": "messages[0].content[0]"}),
    (CHAT, {"messages": [USER, user(text("a"), IMAGE, IMAGE)]}, {"vision": "messages[1].content[1]"}),
    (CHAT, {"messages": [user({"image_url": "data:,"})]}, {"vision": "messages[0].content[0]"}),
    (CHAT, {"messages": [user({"type": "input_audio"})]}, {"audio": "messages[0].content[0]"}),
    (CHAT, {"messages": [user({"type": "video_url"})]}, {"video": "messages[0].content[0]"}),
    (CHAT, {"messages": [user({"type": "file"})]}, {"files": "messages[0].content[0]"}),
    (CHAT, {"messages": [USER], "modalities": ["text", "audio"], "audio": {"voice": "x"}}, {"audio": "modalities"}),
    (CHAT, {"messages": [USER, ASSISTANT | {"content": None, "audio": {"id": "1"}}]}, {"audio": "messages[1].audio"}),
    (CHAT, {"messages": [USER], "tools": [{}], "tool_choice": "none"}, {"tools": "tools"}),
    (CHAT, {"messages": [USER], "tools": [], "functions": None}, {}),
    (CHAT, {"messages": [USER], "functions": [{}]}, {"tools": "functions"}),
    (CHAT, {"messages": [USER, {"role": "assistant", "tool_calls": [{}]}]}, {"tools": "messages[1]"}),
    (CHAT, {"messages": [USER, TOOL]}, {"tools": "messages[1]"}),
    (CHAT, {"messages": [USER], "response_format": {"type": "json_schema"}}, {"json_schema": "response_format"}),
    (CHAT, {"messages": [USER], "response_format": {"type": "json_object"}}, {"json_object": "response_format"}),
    (CHAT, {"messages": [USER], "response_format": {"type": "text"}}, {}),
    (RESPONSES, {"input": [user({"type": "input_image"})]}, {"vision": "input[0].content[0]"}),
    (RESPONSES, {"input": [user({"type": "input_file"})]}, {"files": "input[0].content[0]"}),
    (RESPONSES, {"input": [USER, call("function_call")]}, {"tools": "input[1]"}),
    (RESPONSES, {"input": [call("function_call_output", output=[{"type": "input_image"}])]},
     {"tools": "input[0]", "vision": "input[0].output[0]"}),
    (RESPONSES, {"input": [call("computer_call_output", output={"type": "computer_screenshot"})]},
     {"tools": "input[0]", "vision": "input[0].output[0]"}),
    (RESPONSES, {"input": "x", "tools": [{"type": "web_search"}]}, {"tools": "tools"}),
    (RESPONSES, {"input": "x", "text": {"format": {"type": "json_schema"}}}, {"json_schema": "text.format"}),
    (RESPONSES, {"prompt": {"id": "p", "variables": {"i": {"type": "input_image"}}}},
     {"vision": "prompt.variables[0]"}),
    (RESPONSES, {"input": "x", "prompt": {"id": "p", "variables": {"q": "2+2?", "i": {"type": "input_image"}}}},
     {"vision": "prompt.variables[1]"}),
    (MESSAGES, {"messages": [user(PICTURE)]}, {"vision": "messages[0].content[0]"}),
    (MESSAGES, {"messages": [user({**RESULT, "content": [PICTURE]})]},
     {"tools": "messages[0].content[0]", "vision": "messages[0].content[0].content[0]"}),
    (MESSAGES, {"messages": [user({"type": "document", "source": {"type": "content", "content": [PICTURE]}})]},
     {"files": "messages[0].content[0]", "vision": "messages[0].content[0].source.content[0]"}),
    (MESSAGES, {"messages": [USER, {"role": "assistant", "content": [{"type": "tool_use"}]}]},
     {"tools": "messages[1].content[0]"}),
    (MESSAGES, {"messages": [USER, ASSISTANT | {"content": [{"type": "web_search_tool_result", "content": []}]}]},
     {"tools": "messages[1].content[0]"}),
    (MESSAGES, {"messages": [USER], "tools": [{}], "thinking": {"type": "enabled"}}, {"tools": "tools"}),
    (MESSAGES, {"messages": [USER], "output_config": {"format": {"type": "json_schema"}}},
     {"json_schema": "output_config.format"}),
]  # fmt: skip


@pytest.mark.parametrize(("api", "fields", "needs"), NEEDS)
def test_needs_name_the_first_field_that_has_them(api: Api, fields: dict[str, Any], needs: dict[str, str]) -> None:
    assert ask(api, fields).needs == {Capability(name): field for name, field in needs.items()}


@pytest.mark.parametrize(
    ("api", "fields", "size"),
    [
        (CHAT, {"messages": [{"role": "system", "content": "é"}, USER, user(text("abc"), IMAGE)]}, 7),
        (CHAT, {"messages": [{"role": "assistant", "content": None}, 3, user(3, text("a"))]}, 1),
        (COMPLETIONS, {"prompt": ["one", "two"]}, 6),
        (COMPLETIONS, {"prompt": [0, 0]}, 0),
        (RESPONSES, {"input": "hi", "instructions": "be brief"}, 10),
        (RESPONSES, {"input": [user({"type": "input_text", "text": "hi"})]}, 2),
        (RESPONSES, {"input": [call("function_call_output", output="four")]}, 4),
        (MESSAGES, {"system": "abc", "messages": [user(RESULT, text("d"))]}, 6),
        (MESSAGES, {}, 0),
    ],
)
def test_size_of_all_text(api: Api, fields: dict[str, Any], size: int) -> None:
    assert ask(api, fields).text_bytes == size


@pytest.mark.parametrize(
    ("given", "key"),
    [("k", "k"), (None, ""), (3, ""), ("a\nb", ""), ("k" * 2000, "k" * 1024)],
    ids=lambda v: str(v)[:5],
)
def test_prompt_cache_key_names_the_conversation(given: Any, key: str) -> None:
    for api, field in ((CHAT, "messages"), (RESPONSES, "input")):
        assert api.ask({field: [{"role": "user", "content": "hi"}], "prompt_cache_key": given}).cache_key == key
