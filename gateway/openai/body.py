"""The JSON body of a request: its top-level fields, and where in the text the value of `model` stands.

Changing the model replaces only that value, so everything else reaches the LLM byte for byte: big integers, escapes,
white space, keys we have never heard of. Knows JSON, not what the fields mean.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from gateway.openai.answers import invalid

_SPACE = re.compile(r"[ \t\n\r]*")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Numbers take no part in routing: reading them all as 0 costs less, and an endless integer cannot hurt.
_DECODER = json.JSONDecoder(parse_int=lambda _: 0, parse_constant=_no_constant)


@dataclass(frozen=True, slots=True)
class OpenAiBody:
    """A parsed body. `text[start:end]` is the value of `model`, quotes included; numbers in `fields` are all 0."""

    text: str
    fields: dict[str, Any]
    model: str
    start: int
    end: int

    def with_model(self, name: str) -> bytes:
        """The body with another model; everything else as it was."""
        return "".join((self.text[: self.start], json.dumps(name), self.text[self.end :])).encode()

    def model_span(self, name: str) -> tuple[int, int]:
        """Where the value of `model`, quotes included, begins and ends in `with_model(name)`, in bytes.

        Envoy replaces it there, without reading the body again, where another candidate is tried.
        """
        start = len(self.text[: self.start].encode())
        return start, start + len(json.dumps(name))


def parse(body: bytes) -> OpenAiBody:
    """Reads a body.

    Raises:
        OpenAiError: 400: it is not a JSON object with exactly one `model` that is a string.
    """
    try:
        text = body.decode()
        members = _members(text)
    except (ValueError, RecursionError) as error:
        # A UnicodeDecodeError shows bytes of the body; the others say what is wrong and where.
        detail = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error) or "nested too deeply"
        raise invalid(None, f"not a JSON object: {detail}") from None
    models = [(key, value, start, end) for key, value, start, end in members if _may_be_read_as_model(key)]
    if len(models) > 1:
        raise invalid("model", "is there twice, and which of the two counts depends on who reads it; send one")
    if not models or models[0][0] != "model" or not isinstance(models[0][1], str) or not models[0][1]:
        raise invalid("model", "is required: the name of a model, a string")
    return OpenAiBody(text, {key: value for key, value, _, _ in members}, *models[0][1:])


def _may_be_read_as_model(key: str) -> bool:
    """Whether some LLM server takes `key` for `model`: JSON readers in Go ignore case, some in C stop at a NUL.

    Envoy's own reader, which takes over while no gateway answers, has the same rule (read_model.lua).
    """
    return key.partition("\0")[0].lower() == "model"


def _members(text: str) -> list[tuple[str, Any, int, int]]:
    """The members of the object that `text` is: key, value, and where the value begins and ends."""
    at = _expect(text, _skip(text, 0), "{")
    members: list[tuple[str, Any, int, int]] = []
    if text[at : at + 1] == "}":
        return _nothing_after(text, at + 1, members)
    while True:
        if text[at : at + 1] != '"':
            raise ValueError(f"a key in quotes is expected at character {at}")
        key, at = _DECODER.raw_decode(text, at)
        start = _expect(text, _skip(text, at), ":")
        value, end = _DECODER.raw_decode(text, start)
        members.append((key, value, start, end))
        at = _skip(text, end)
        if text[at : at + 1] == "}":
            return _nothing_after(text, at + 1, members)
        at = _expect(text, at, ",")


def _nothing_after(text: str, at: int, members: list[tuple[str, Any, int, int]]) -> list[tuple[str, Any, int, int]]:
    if _skip(text, at) != len(text):
        raise ValueError(f"something follows the object at character {at}")
    return members


def _expect(text: str, at: int, character: str) -> int:
    """Where the next token begins, after `character` at `at`."""
    if text[at : at + 1] != character:
        raise ValueError(f"{character!r} is expected at character {at}")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
