"""What the decision protocols want to have judged: a text, or the messages of a chat in OpenAI's forms."""

from typing import Any, NamedTuple

from gateway.domain.conversation import Conversation, Message, conversation

_TEXT_PARTS = ("text", "input_text", "output_text")


class Asked(NamedTuple):
    """The text to route, and the conversation that it is the newest ask of, if it is one."""

    text: str
    conversation: Conversation | None = None


def chat(messages: list[Any]) -> Asked | None:
    """`messages` as a conversation; None where they are no chat messages."""
    if not messages or not all(isinstance(one, dict) for one in messages):
        return None
    spoken = [one for one in messages if isinstance(one.get("role"), str) and "content" in one]
    if not spoken:
        return None
    found = conversation([Message(one["role"], _content(one["content"])) for one in spoken])
    return Asked(found.text, found)


def of_parts(parts: list[Any]) -> str:
    """The text of a content array; images and whatever else it holds take no part."""
    texts = (one.get("text") for one in parts if isinstance(one, dict) and one.get("type") in _TEXT_PARTS)
    return "\n".join(text for text in texts if isinstance(text, str))


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    return of_parts(content) if isinstance(content, list) else ""
