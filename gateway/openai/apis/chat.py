"""Chat Completions: `messages`."""

from collections.abc import Mapping
from typing import Any

from gateway.openai.apis.ask import Ask
from gateway.openai.apis.content import Notes, conversation
from gateway.policy.capabilities import ApiProtocol, Capability


class Chat:
    """POST /v1/chat/completions."""

    path = "/v1/chat/completions"
    protocol = ApiProtocol.OPENAI
    text_field = "messages"
    fields = frozenset(("messages", "response_format", "modalities", "prompt_cache_key"))
    flags = frozenset(("tools", "functions", "audio", "web_search_options"))

    def ask(self, fields: Mapping[str, Any]) -> Ask:
        """See `Api.ask`."""
        notes = Notes()
        messages = fields.get("messages")
        conversation(notes, "messages", messages, ("tool_calls", "function_call"))
        _answers_heard(notes, messages)
        notes.needs_tools(fields, "tools", "functions", "web_search_options")
        notes.needs_format("response_format", fields.get("response_format"))
        modalities = fields.get("modalities")
        if isinstance(modalities, list) and "audio" in modalities:
            notes.need(Capability.AUDIO, "modalities")
        if fields.get("audio"):
            notes.need(Capability.AUDIO, "audio")
        notes.belongs_to(fields.get("prompt_cache_key"))
        return notes.ask()


def _answers_heard(notes: Notes, messages: Any) -> None:
    """An answer that was given as audio is named by its id in the history, and heard again."""
    for i, message in enumerate(messages if isinstance(messages, list) else ()):
        if isinstance(message, dict) and message.get("role") == "assistant" and message.get("audio"):
            notes.need(Capability.AUDIO, f"messages[{i}].audio")
