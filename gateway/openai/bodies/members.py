"""The JSON body of a request: where in its bytes the values of its top-level members stand.

Changing the model replaces only its value, so everything else reaches the LLM byte for byte: big integers, escapes,
white space, keys we have never heard of. Values are skipped by msgspec, some 40 times faster than they could be made
into Python objects; only what routing reads is. Knows JSON, not what the members mean.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from gateway.openai.bodies.answers import OpenAiError, invalid

MAX_MARKS = 1_000_000
"""Most commas and opening brackets in the members that routing reads: each may become a Python object."""
MAX_MEMBERS = 1_000
"""Most members: the largest API knows some forty, and walking along eight megabytes of keys takes seconds."""

OTHER_MODELS = ("models", "fallbacks")
"""Members in which LLM servers that route themselves take the names of models to try after `model`."""

Span = tuple[int, int]

_OPEN = re.compile(rb"[ \t\n\r]*\{")
_KEY = re.compile(rb'[ \t\n\r]*("(?:[^"\\]|\\.)*")[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)
_AFTER_VALUE = re.compile(rb"[ \t\n\r]*([,}])")
_NOTHING = re.compile(rb'null|false|0|""|\[[ \t\n\r]*\]|\{[ \t\n\r]*\}')
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rb"\\[^u]|" + _HIGH + _LOW + b"|(" + _HIGH + b"|" + _LOW + b")")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Numbers take no part in routing: reading them all as 0 costs less, and an endless integer cannot hurt.
_VALUE = json.JSONDecoder(parse_int=lambda _: 0, parse_constant=_no_constant)


@dataclass(frozen=True, slots=True)
class Members:
    """A JSON object with exactly one `model`. `spans[key]` is where in `data` the value of a member begins and ends."""

    data: bytes
    spans: dict[str, Span]
    inside: int  # position after the opening brace
    model: str

    def values(self, names: Collection[str]) -> dict[str, Any]:
        """The values of the members `names` that are there, as Python objects; numbers are all 0.

        Raises:
            OpenAiError: 400: they are nested too deeply; 413: they hold more than `MAX_MARKS` values.
        """
        raw = {name: self.data[slice(*self.spans[name])] for name in names if name in self.spans}
        if sum(map(marks, raw.values())) > MAX_MARKS:
            raise OpenAiError(413, f"body: more than {MAX_MARKS} values in {', '.join(raw)}", code="request_too_large")
        try:
            return {name: _VALUE.decode(value.decode()) for name, value in raw.items()}
        except (ValueError, RecursionError) as error:
            raise _not_json(error) from None

    def present(self, names: Collection[str]) -> dict[str, bool]:
        """Which of the members `names` are there and not empty; their values are not read."""
        return {name: not _NOTHING.fullmatch(self.data, *self.spans[name]) for name in names if name in self.spans}


def marks(data: bytes) -> int:
    """At least as many as there are values in `data`, counted a hundred times faster than they are read."""
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def parse(data: bytes) -> Members:
    """Finds the members.

    Raises:
        OpenAiError: 400: it is not a JSON object with every key once and a `model` that is a string, not empty; or it
            names further models; 413: it has more than `MAX_MEMBERS` members.
    """
    try:
        if not data.isascii():
            data.decode()
        try:
            spans, inside = _spans(data)
        except msgspec.DecodeError:
            spans, inside = _spans(_whole_characters(data))
        model = _VALUE.decode(data[slice(*spans["model"])].decode()) if "model" in spans else None
    except (ValueError, RecursionError) as error:
        raise _not_json(error) from None
    if others := next((key for key in spans if _may_be_read_as(key) in OTHER_MODELS), None):
        raise invalid(others[:100], "names further models; leave it out: the router tries other LLMs of its pool")
    named = [key for key in spans if _may_be_read_as(key) == "model"]
    if len(named) > 1:
        raise invalid("model", "is there twice, and which of the two counts depends on who reads it; send one")
    if named != ["model"] or not isinstance(model, str) or not model:
        raise invalid("model", "is required: the name of a model, a string")
    return Members(data, spans, inside, model)


def _may_be_read_as(key: str) -> str:
    """What some LLM server takes `key` for: JSON readers in Go ignore case, some in C stop at a NUL.

    To Go's the long s is an s, and the sign of Kelvin a k. Envoy's own reader, which takes over while no gateway
    answers, has the same rule (read_model.lua).
    """
    return key.partition("\0")[0].casefold()


def _not_json(error: Exception) -> OpenAiError:
    """A UnicodeDecodeError shows bytes of the body; the others say what is wrong and where."""
    detail = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error) or "nested too deeply"
    return invalid(None, f"not a JSON object: {detail}")


def _whole_characters(data: bytes) -> bytes:
    """`data` with a space, written as long, for each half of a character, which JSON can write and msgspec refuses."""
    return _ESCAPE.sub(lambda match: rb"\u0020" if match[1] else match[0], data)


def _spans(data: bytes) -> tuple[dict[str, Span], int]:
    """Where each member's value stands, walking along the keys with the lengths that msgspec has found.

    msgspec keeps the last value of a key that is there twice, so the walk meets the key again, or a value that is not
    the one found. Such a body is refused: which of the two counts depends on who reads it.
    """
    raw, start = _members.decode(data), _OPEN.match(data)
    if len(raw) > MAX_MEMBERS:
        raise OpenAiError(413, f"body: more than {MAX_MEMBERS} members", code="request_too_large")
    assert start is not None  # noqa: S101 - msgspec has found an object
    spans: dict[str, Span] = {}
    at = start.end()
    while key := _KEY.match(data, at):
        name, begin = json.loads(key[1]), key.end()
        end = begin + len(memoryview(raw[name]))
        after = _AFTER_VALUE.match(data, end)
        if name in spans or after is None or memoryview(raw[name]) != memoryview(data)[begin:end]:
            raise invalid(name[:100], "is there twice, and which of the two counts depends on who reads it; send one")
        spans[name] = (begin, end)
        at = after.end()
    return spans, start.end()
