"""Responses: `input`, or what OpenAI keeps itself: a stored prompt, a conversation, an earlier response."""

from collections.abc import Mapping
from typing import Any

from gateway.openai.apis.ask import Ask
from gateway.openai.apis.content import Notes
from gateway.policy.capabilities import ApiProtocol, Capability

_STORED = ("prompt", "conversation", "previous_response_id")
_CALLS = ("_call", "_call_output", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response")


class Responses:
    """POST /v1/responses."""

    path = "/v1/responses"
    protocol = ApiProtocol.OPENAI
    text_field = "input"
    fields = frozenset(("input", "instructions", "text", "prompt", "prompt_cache_key"))
    flags = frozenset(("tools", "conversation", "previous_response_id"))

    def ask(self, fields: Mapping[str, Any]) -> Ask:
        """See `Api.ask`. Where something is stored there may be no input; then a prompt's variables are routed."""
        notes, given = Notes(), fields.get("input")
        notes.message("instructions", "system", fields.get("instructions"))
        if given:
            self._input(notes, given)
        elif not any(fields.get(name) for name in _STORED):
            notes.wrong("input", "is required: a string or a list, not empty (or a stored prompt or conversation)")
        if isinstance(prompt := fields.get("prompt"), dict):
            role = "developer" if given else "user"
            notes.message("prompt.variables", role, _variables(prompt.get("variables")))
        notes.needs_tools(fields, "tools")
        text = fields.get("text")
        notes.needs_format("text.format", text.get("format") if isinstance(text, dict) else None)
        notes.belongs_to(fields.get("prompt_cache_key"))
        return notes.ask()

    def _input(self, notes: Notes, given: Any) -> None:
        if isinstance(given, str):
            notes.message("input", "user", given)
        elif isinstance(given, list):
            for i, item in enumerate(given):
                _item(notes, f"input[{i}]", item)
        else:
            notes.wrong("input", "must be a string or a list of items")


def _item(notes: Notes, field: str, item: Any) -> None:
    if not isinstance(item, dict):
        notes.wrong(field, "must be an object")
        return
    kind = item.get("type")
    if isinstance(kind, str) and kind.endswith(_CALLS):
        notes.need(Capability.TOOLS, field)
        output = item.get("output")
        notes.text(f"{field}.output", [output] if isinstance(output, dict) else output)
    elif "role" in item:
        notes.message(f"{field}.content", item["role"], item.get("content"))
    else:
        notes.message(field, "user" if kind != "reasoning" else "assistant", [item])


def _variables(variables: Any) -> list[Any]:
    """Values of a stored prompt's variables: strings, or parts with a type."""
    return list(variables.values()) if isinstance(variables, dict) else []
