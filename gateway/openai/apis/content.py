"""Contents of messages: strings, or lists of parts. One reader for every API, since a type says what a part is.

Unknown parts are passed over: what they mean is between the client and the LLM.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.domain import conversation as rule
from gateway.domain.conversation import Message
from gateway.openai.apis.ask import Ask
from gateway.policy import capabilities
from gateway.policy.capabilities import Capability

_TEXTS = ("text", "input_text", "output_text")
_MAX_KEY_CHARS = 1024
_NESTED = ("tool_result", "document", "search_result")  # Anthropic's: their own content has parts, too
_FORMATS = {"json_schema": Capability.JSON_SCHEMA, "json_object": Capability.JSON_OBJECT}


class Notes:
    """What is found while a body is read."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.needs: dict[Capability, str] = {}
        self.text_bytes = 0
        self.problem: tuple[str, str] | None = None
        self.cache_key = ""

    def need(self, capability: Capability, field: str) -> None:
        """`field` needs `capability`; the first field is what an error names."""
        self.needs.setdefault(capability, field)

    def needs_tools(self, fields: Mapping[str, Any], *names: str) -> None:
        """Tools are needed where one of the fields `names` is there and not empty."""
        for name in names:
            if fields.get(name):
                self.need(Capability.TOOLS, name)

    def needs_format(self, field: str, output_format: Any) -> None:
        """The answer has to be JSON, or to keep to a schema."""
        if isinstance(output_format, dict) and (capability := _lookup(_FORMATS, output_format.get("type"))):
            self.need(capability, field)

    def belongs_to(self, cache_key: Any) -> None:
        """`prompt_cache_key` names the conversation; of any other form than a string it says nothing."""
        if isinstance(cache_key, str) and cache_key.isprintable():
            self.cache_key = cache_key[:_MAX_KEY_CHARS]

    def wrong(self, field: str, problem: str) -> None:
        """The body cannot be routed; the first problem counts."""
        self.problem = self.problem or (field, problem)

    def message(self, field: str, role: Any, content: Any) -> None:
        """One message of a conversation."""
        if role == "user" and not (content is None or isinstance(content, str | list)):
            self.wrong(field, "must be a string or a list of content parts")
        self.messages.append(Message(role if isinstance(role, str) else "", self.text(field, content)))

    def text(self, field: str, content: Any) -> str:
        """The text of a content of any form; its size and what it needs are noted."""
        if isinstance(content, str):
            self.text_bytes += len(content.encode(errors="replace"))
            return content
        if not isinstance(content, list):
            return ""
        texts = (self._part(field, i, part) for i, part in enumerate(content))
        return "\n".join([text for text in texts if text])

    def _part(self, field: str, i: int, part: Any) -> str:
        if isinstance(part, str):
            return self.text(field, part)
        if not isinstance(part, dict):
            return ""
        kind = part.get("type")
        if kind in _TEXTS and isinstance(part.get("text"), str):
            return self.text(field, part["text"])
        kinds = (kind,) if kind is not None else tuple(part)  # vLLM also takes {"image_url": …} without a type
        for capability in filter(None, map(capabilities.of_part, kinds)):
            self.need(capability, f"{field}[{i}]")
        if kind in _NESTED:
            self._nested(f"{field}[{i}]", part)
        return ""

    def _nested(self, field: str, part: Mapping[str, Any]) -> None:
        """Results of tools and documents: read for what they need and how long they are, not routed."""
        self.text(f"{field}.content", part.get("content"))
        source = part.get("source")
        if isinstance(source, dict):
            data = source.get("data") if source.get("type") == "text" else source.get("content")
            self.text(f"{field}.source.content", data)

    def ask(self) -> Ask:
        """The result."""
        return Ask(rule.conversation(self.messages), self.needs, self.text_bytes, self.problem, self.cache_key)


def conversation(notes: Notes, field: str, messages: Any, tool_fields: Iterable[str] = ()) -> None:
    """Reads a list of messages; `tool_fields` of a message say that tools were called."""
    if not isinstance(messages, list) or not messages:
        notes.wrong(field, "is required: a list with at least one message")
        return
    for i, message in enumerate(messages):
        if not isinstance(message, dict):
            notes.wrong(f"{field}[{i}]", "must be an object")
            continue
        role = message.get("role")
        if role in capabilities.TOOL_ROLES or any(message.get(name) for name in tool_fields):
            notes.need(Capability.TOOLS, f"{field}[{i}]")
        notes.message(f"{field}[{i}].content", role, message.get("content"))


def _lookup(table: Mapping[str, Capability], name: Any) -> Capability | None:
    return table.get(name) if isinstance(name, str) else None
