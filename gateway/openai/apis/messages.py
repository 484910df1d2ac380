"""Anthropic's Messages: `system` and `messages`. Requests stay as they are: an endpoint that speaks it answers."""

from collections.abc import Mapping
from typing import Any

from gateway.openai.apis.ask import Ask
from gateway.openai.apis.content import Notes, conversation
from gateway.policy.capabilities import ApiProtocol


class Messages:
    """POST /v1/messages."""

    path = "/v1/messages"
    protocol = ApiProtocol.ANTHROPIC
    text_field = "messages"
    fields = frozenset(("system", "messages", "output_format", "output_config"))
    flags = frozenset(("tools", "mcp_servers"))

    def ask(self, fields: Mapping[str, Any]) -> Ask:
        """See `Api.ask`. Results of tools come in messages of role user, and are not what the user says."""
        notes = Notes()
        notes.message("system", "system", fields.get("system"))
        conversation(notes, "messages", fields.get("messages"))
        notes.needs_tools(fields, "tools", "mcp_servers")
        notes.needs_format("output_format", fields.get("output_format"))
        config = fields.get("output_config")
        notes.needs_format("output_config.format", config.get("format") if isinstance(config, dict) else None)
        return notes.ask()


class CountTokens(Messages):
    """POST /v1/messages/count_tokens: the same body, so the same LLM counts as would answer."""

    path = "/v1/messages/count_tokens"
