"""A prompt: the chat as it is sent, with what is known about the right answer."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Message = Mapping[str, Any]


@dataclass(frozen=True)
class Prompt:
    """One chat to ask every LLM.

    `messages`: OpenAI chat messages, sent as they are, system prompts and earlier turns included.
    `reference`: the right answer, or whatever the grader needs to know it (a text, a number, an object, unit tests).
    `domain`: the kind of prompt, where the file says it; reports are broken down by it.
    """

    messages: tuple[Message, ...]
    reference: Any = None
    domain: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """SHA-256 of the messages: two prompts with the same key are the same prompt."""
        return hashlib.sha256(canonical([dict(message) for message in self.messages]).encode()).hexdigest()

    @property
    def question(self) -> str:
        """The text that a router decides by: that of the last user message that has text."""
        for message in reversed(self.messages):
            if message.get("role") == "user" and (text := text_of(message.get("content"))).strip():
                return text
        return ""


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def text_of(content: Any) -> str:
    """The text of a message's `content`: a text, or the text parts of a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence):
        return ""
    parts = [part.get("text") for part in content if isinstance(part, Mapping) and part.get("type") != "image_url"]
    return "\n".join(text for text in parts if isinstance(text, str))
