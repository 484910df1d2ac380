"""Completions, the older API: `prompt`."""

from collections.abc import Mapping
from typing import Any

from gateway.openai.apis.ask import Ask
from gateway.openai.apis.content import Notes
from gateway.policy.capabilities import ApiProtocol


class Completions:
    """POST /v1/completions."""

    path = "/v1/completions"
    protocol = ApiProtocol.OPENAI
    text_field = "prompt"
    fields = frozenset(("prompt", "response_format"))
    flags: frozenset[str] = frozenset()

    def ask(self, fields: Mapping[str, Any]) -> Ask:
        """See `Api.ask`. A prompt is a string, strings, or token ids, which have no text."""
        notes, prompt = Notes(), fields.get("prompt")
        if not isinstance(prompt, str | list) or not prompt:
            notes.wrong("prompt", "is required: a string or a list, not empty")
        else:
            notes.message("prompt", "user", prompt)
        notes.needs_format("response_format", fields.get("response_format"))
        return notes.ask()
