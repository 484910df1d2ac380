"""What the decision protocols want to have judged: a text or a chat, in the forms in which real callers send them.

A chat is read as such wherever one can be recognised, because a conversation has one rule at every door: as messages,
as an object with `messages`, as JSON in a text (LangChain sends chats with several roles so), or quoted in a
classifier's prompt (LiteLLM, see `gateway.http_api.litellm_state`).
"""

import json
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.domain.conversation import Conversation, Message, conversation
from gateway.errors import InvalidRequestError
from gateway.http_api import litellm_state
from gateway.http_api.values import MAX_VALUES, too_many
from gateway.policy import capabilities
from gateway.policy.capabilities import Capability, Needs

_TEXT_PARTS = ("text", "input_text", "output_text")


class Asked(NamedTuple):
    """The text to route, the conversation whose newest ask it is, if it is one, and what an LLM must be able to do."""

    text: str
    conversation: Conversation | None = None
    needs: Needs = MappingProxyType({})


def asked(state: str | list[Any] | dict[str, Any]) -> Asked | None:
    """What is to be routed of `state`; None where it is neither a text nor a chat.

    Raises:
        InvalidRequestError: a chat that is JSON in a text is too large.
    """
    if isinstance(state, str):
        return _of_messages(litellm_state.messages(state) or _in_json(state)) or Asked(state)
    given = state if isinstance(state, list) else state.get("messages", [state])
    found = _of_messages(_embedded(given) or _messages(given))
    return found and found._replace(needs=_needs(given))


def of_parts(parts: list[Any], separator: str = "\n") -> str:
    """The text of a content array; images and whatever else it holds have none."""
    texts = (one.get("text") for one in parts if isinstance(one, dict) and one.get("type") in _TEXT_PARTS)
    return separator.join(text for text in texts if isinstance(text, str))


def _needs(given: Any) -> dict[Capability, str]:
    """What an LLM must be able to do to read `given`, messages or anything else."""
    needs: dict[Capability, str] = {}
    for i, message in enumerate(given if isinstance(given, list) else ()):
        content = message.get("content") if isinstance(message, dict) else None
        for j, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, dict) and (capability := capabilities.of_part(part.get("type"))) is not None:
                needs.setdefault(capability, f"messages[{i}].content[{j}]")
    return needs


def _of_messages(messages: list[Message]) -> Asked | None:
    if not messages:
        return None
    found = conversation(messages)
    return Asked(found.text, found)


def _messages(given: Any) -> list[Message]:
    """`given` as the messages of a chat; empty where it is none. What has no role (a tool's call) takes no part."""
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        return []
    spoken = [one for one in given if isinstance(one.get("role"), str) and "content" in one]
    return [Message(one["role"], _content(one["content"])) for one in spoken]


def _embedded(given: Any) -> list[Message]:
    """The chat that is JSON in the only message of `given`, with images in between; empty if there is none."""
    messages = _messages(given)
    if len(messages) != 1 or messages[0].role != "user":
        return []
    content = given[0].get("content")
    return _in_json(of_parts(content, "") if isinstance(content, list) else messages[0].text)


def _in_json(text: str) -> list[Message]:
    if not text.startswith('[{"'):
        return []
    if too_many(text.encode(errors="replace")):
        raise InvalidRequestError(
            "messages", f"the chat in the text has more than {MAX_VALUES} values: send less of it"
        )
    try:
        return _messages(json.loads(text))
    except (ValueError, RecursionError):
        return []


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    return of_parts(content) if isinstance(content, list) else ""
