"""What a row of a prompt file may look like, and the prompt in it.

| where | fields |
|---|---|
| own files | `question` or `prompt` (text), or `messages` (a chat) |
| OpenAI batch files | `body.messages` |
| stored completions, proxy logs | `request.messages`, or `input` as a chat |
| fine-tuning files | `messages` whose last turn is the assistant's: that turn becomes the reference |
| our decision log | `question`, where the gateway keeps texts (`decision_log_queries`) |

Beside it may stand `reference` (or `answer`, `expected`) and `domain` (or `category`, `task`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from labelling.prompts.prompt import Message, Prompt, canonical, text_of
from routerdc.data.formats.rows import Malformed

ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
_REFERENCE = ("reference", "answer", "expected")
_DOMAIN = ("domain", "category", "task")


class RowError(ValueError):
    """Why a row holds no prompt; the message names the field."""


def prompt_of(row: Any) -> Prompt:
    """The prompt in a row.

    Raises:
        RowError: there is none; the message never quotes the row, which may be confidential.
    """
    if isinstance(row, Malformed):
        raise RowError(row.reason)
    if not isinstance(row, Mapping):
        raise RowError("not an object")
    messages = _messages(row)
    reference = next((row[name] for name in _REFERENCE if row.get(name) is not None), None)
    messages, last_turn = _without_answer(messages)
    if not any(message["role"] == "user" for message in messages):
        raise RowError("messages: no turn of a user in it")
    domain = next((str(row[name]) for name in _DOMAIN if row.get(name) is not None), None)
    prompt = Prompt(tuple(messages), last_turn if reference is None else reference, domain)
    for name, value in (("messages", messages), ("reference", prompt.reference), ("domain", domain)):
        _require_unicode(name, value)
    return prompt


def _messages(row: Mapping[str, Any]) -> list[Message]:
    for chat in (row, row.get("body"), row.get("request")):
        if isinstance(chat, Mapping) and (given := chat.get("messages")) is not None:
            return _chat(given)
    if isinstance(row.get("input"), list):
        return _chat(row["input"])
    for name in ("question", "prompt", "input"):
        if (text := row.get(name)) is not None:
            return [{"role": "user", "content": _text(name, text)}]
    if "query_hash" in row:
        raise RowError("question: the decision log has hashes only: let the gateway keep texts (decision_log_queries)")
    raise RowError(
        f"no prompt: write question, prompt or messages; the fields are {', '.join(map(str, row)) or 'none'}"
    )


def _text(name: str, text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise RowError(f"{name}: must be a text that is not empty")
    return text


def _require_unicode(name: str, value: Any) -> None:
    try:
        canonical(value).encode()
    except UnicodeEncodeError:
        raise RowError(f"{name}: not valid Unicode (half of a surrogate pair)") from None


def _chat(given: Any) -> list[Message]:
    if isinstance(given, str):  # a cell of a CSV file
        try:
            given = json.loads(given)
        except ValueError:
            raise RowError("messages: not JSON") from None
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise RowError("messages: must be a list of messages that is not empty")
    return [_message(number, message) for number, message in enumerate(given)]


def _message(number: int, message: Any) -> Message:
    if not isinstance(message, Mapping) or message.get("role") not in ROLES:
        raise RowError(f"messages[{number}].role: must be one of {', '.join(sorted(ROLES))}")
    return {name: value for name, value in message.items() if value is not None}


def _without_answer(messages: list[Message]) -> tuple[list[Message], str | None]:
    """The chat up to its last question, and the answer that stood behind it."""
    end = len(messages)
    while end and messages[end - 1]["role"] == "assistant":
        end -= 1
    answers = [text for message in messages[end:] if (text := text_of(message.get("content")))]
    return messages[:end], "\n".join(answers) or None
