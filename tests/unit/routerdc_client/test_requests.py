"""What may be asked: whatever a request cannot carry is refused by name, before anything is sent."""

import re
from typing import Any

import pytest

from routerdc_client import route_request


def test_openai_messages_become_a_chat() -> None:
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "x"}}]
    request = route_request(messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}])
    system, user = request.chat.messages
    assert (system.role, system.content) == ("system", "Be brief.")
    assert [(part.type, part.text) for part in user.parts] == [("text", "What is this?"), ("image_url", "")]


@pytest.mark.parametrize("content", [[{"type": "text", "text": "hi"}], ({"type": "text", "text": "hi"},), ["hi"]])
def test_a_list_and_a_tuple_of_parts_are_the_same(content: object) -> None:
    (message,) = route_request(messages=[{"role": "user", "content": content}]).chat.messages
    assert [(part.type, part.text) for part in message.parts] == [("text", "hi")]


def test_a_message_without_content_is_empty_as_a_tool_call_is() -> None:
    (message,) = route_request(messages=[{"role": "assistant", "content": None, "tool_calls": []}]).chat.messages
    assert (message.content, len(message.parts)) == ("", 0)


def test_an_empty_chat_is_still_a_chat_and_the_gateway_says_what_it_lacks() -> None:
    assert route_request(messages=[]).WhichOneof("input") == "chat"


USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": b"bytes"}, "query: must be a string, not bytes"),
        ({"messages": "hi"}, "messages: must be a list of messages, not str"),
        ({"messages": USER}, "messages: must be a list of messages, not dict"),
        ({"messages": [USER, "hi"]}, "messages[1]: must be a mapping, not str"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role: must be a string, not NoneType"),
        ({"messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}]}, "messages[0].content: must be"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content: must be"),
        ({"messages": [{"role": "user", "content": [7]}]}, "messages[0].content[0]: must be a part"),
        ({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}, "messages[0].content[0].type: must be"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text: must be"),
        ({"query": "q", "allowed_llms": "alpha"}, "allowed_llms: must be several names"),
        ({"query": "q", "denied_llms": ["alpha", None]}, "denied_llms[1]: must be a string, not NoneType"),
        ({"query": "q", "allowed": ["alpha"]}, "unexpected keyword argument 'allowed'"),
    ],
)
def test_what_has_the_wrong_type_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=re.escape(message)):
        route_request(**options)


def test_a_query_and_messages_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="query and messages: give one of them"):
        route_request("q", messages=[USER])


@pytest.mark.parametrize("field", ["query", "request_id", "session_id"])
def test_text_that_was_not_decoded_as_utf8_is_refused_with_its_place(field: str) -> None:
    latin = "caf\xe9".encode("latin-1").decode("utf-8", "surrogateescape")
    with pytest.raises(ValueError, match=f"{field}: is not valid Unicode at character 3: convert the text to UTF-8"):
        route_request(**{field: latin})  # type: ignore[arg-type]  # mypy takes the field for any of them
