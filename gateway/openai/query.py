"""What is routed of a request: the text of the last user message that has text.

Covers the three request forms of OpenAI's API. Images, tools and whatever else they hold take no part and are not
looked at. Does not know who decides.
"""

import enum
from collections.abc import Iterator
from typing import Any

from gateway.openai.answers import invalid

_TEXT_PARTS = ("text", "input_text")


class Api(enum.Enum):
    """The endpoints that are routed, by path."""

    CHAT = "/v1/chat/completions"
    COMPLETIONS = "/v1/completions"
    RESPONSES = "/v1/responses"


def query(api: Api, fields: dict[str, Any]) -> str:
    """The text to route; empty where the request is well formed and has none (only an image, only token ids).

    Raises:
        OpenAiError: 400: the field that holds the messages is missing or has another form.
    """
    if api is Api.CHAT:
        return _last_user_text("messages", _messages("messages", fields.get("messages")))
    if api is Api.COMPLETIONS:
        return _well_formed(_prompt(fields.get("prompt")))
    if isinstance(given := fields.get("input"), str):
        return _well_formed(_not_empty("input", given))
    return _last_user_text("input", _messages("input", given))


def text_bytes(fields: dict[str, Any]) -> int:
    """UTF-8 bytes of all text that the LLM has to read: every message's, but neither images nor tools."""
    messages = next((value for name in ("messages", "input") if isinstance(value := fields.get(name), list)), [])
    contents = [message.get("content") for message in messages if isinstance(message, dict)]
    contents += [fields.get(name) for name in ("input", "prompt", "instructions")]
    return sum(len(text.encode(errors="replace")) for content in contents for text in _any_texts(content))


def _any_texts(content: Any) -> Iterator[str]:
    """The texts of a content of any form; no text where it has a form that is not known."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (part for part in content if isinstance(part, str))
        parts = (part.get("text") for part in content if isinstance(part, dict))
        yield from (text for text in parts if isinstance(text, str))


def _messages(param: str, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value:
        raise invalid(param, "is required: a list with at least one message")
    for i, message in enumerate(value):
        if not isinstance(message, dict):
            raise invalid(f"{param}[{i}]", "must be an object")
    return value


def _last_user_text(param: str, messages: list[dict[str, Any]]) -> str:
    for i in range(len(messages) - 1, -1, -1):
        if messages[i].get("role") == "user":
            text = "\n".join(_texts(f"{param}[{i}].content", messages[i].get("content")))
            if text.strip():
                return _well_formed(text)
    return ""


def _texts(param: str, content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
        return
    if not isinstance(content, list):
        raise invalid(param, "must be a string or a list of content parts")
    for part in content:
        if isinstance(part, dict) and part.get("type") in _TEXT_PARTS and isinstance(part.get("text"), str):
            yield part["text"]


def _prompt(value: Any) -> str:
    """A string, strings, or token ids (which have no text)."""
    if isinstance(value, list) and value:
        return "\n".join(part for part in value if isinstance(part, str))
    return _not_empty("prompt", value)


def _not_empty(param: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise invalid(param, "is required: a string or a list, not empty")
    return value


def _well_formed(text: str) -> str:
    """JSON can write half a character (a lone surrogate), which UTF-8 cannot."""
    return text.encode(errors="replace").decode()
