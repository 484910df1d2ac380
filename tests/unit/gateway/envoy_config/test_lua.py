"""The Lua inside Envoy, in the same LuaJIT: it reads the model where, and only where, the gateway's own reader does."""

import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lupa.luajit21 import LuaRuntime

from gateway.envoy_config.lua.filters import literal
from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.bodies.members import parse
from tests.unit.gateway.openai.bodies.test_members import objects, styles

Read = Callable[[bytes], tuple[str, int, int] | None]
MIB = 2**20


@pytest.fixture(scope="module")
def read() -> Read:
    source = (resources.files("gateway.envoy_config.lua") / "read_model.lua").read_text()
    lua = LuaRuntime(encoding=None)
    read_model, nothing = lua.execute(source.encode() + b"\nreturn read_model"), lua.table()

    def read(body: bytes) -> tuple[str, int, int] | None:
        name, spans = read_model(body, nothing)
        if not name:
            return None
        return name.decode(errors="surrogatepass"), spans[b"model"][b"first"], spans[b"model"][b"last"]

    return read


def by_gateway(body: bytes) -> tuple[str, int, int] | None:
    """What the gateway reads, and where."""
    try:
        parsed = parse(body)
    except OpenAiError:
        return None
    return parsed.model, *parsed.spans["model"]


@settings(deadline=None)
@given(objects, st.text(min_size=1), st.integers(0, 6), styles)
def test_value_of_the_top_level_model_is_found(
    read: Read, fields: dict[str, Any], model: str, at: int, style: dict[str, Any]
) -> None:
    members = [(key, value) for key, value in fields.items() if key.partition("\0")[0].lower() != "model"]
    body = json.dumps(dict([*members[:at], ("model", model), *members[at:]]), **style).encode(errors="replace")
    assert read(body) == by_gateway(body)
    assert by_gateway(body) is not None


@settings(deadline=None)
@given(objects, styles)
def test_nothing_is_found_where_there_is_no_model(read: Read, fields: dict[str, Any], style: dict[str, Any]) -> None:
    fields = {key: value for key, value in fields.items() if key.partition("\0")[0].lower() != "model"}
    assert read(json.dumps(fields, **style).encode(errors="replace")) is None


@pytest.mark.parametrize(
    "body",
    [
        rb'{"mod\u0065l": "a"}',
        rb'{"model": "org\/name"}',
        rb'{"model": "\u0061uto"}',
        rb'{"model": "\ud83d\ude00 \u6a21 \\u0061"}',
        b'{"x": {"model": "no"}, "model": "a", "y": [{"model": "no"}]}',
        b'{"x": "\\"model\\": \\\\", "model": "a"}',
        b' \t{ "n" : -1.5e+3 , "model" :\n"a" , "b":true}\r\n',
    ],
)
def test_what_the_gateway_accepts_is_accepted(read: Read, body: bytes) -> None:
    assert read(body) == by_gateway(body) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}",
        b'{"model"',
        b'{"model": 3}',
        b'{"model": ""}',
        b'{"model": "',
        b'["model", "a"]',
        b'[{"model": "a"}]',
        b'"model": "a"',
        b"\xff",
        b'{"model": "a", "model": "b"}',
        b'{"model": "a", "model": "a"}',
        rb'{"model": "a", "mod\u0065l": "b"}',
        rb'{"mod\u0065l": "a", "\u006dodel": "b"}',
        b'{"model": "a", "Models": ["b"]}',
        rb'{"fallback\u0073": [{"model": "b"}], "model": "a"}',
        b'{"model": "a", "Model": "b"}',  # Go's reader does not mind the case
        b'{"MODEL": "a"}',
        '{"model": "a", "modelſ": ["b"]}'.encode(),  # nor that of the long s
        rb'{"model": "a", "fallbac\u212as": ["b"]}',  # nor that of the sign of Kelvin
        rb'{"model": "a", "model\u0000x": "b"}',  # to some readers in C a string ends there
        b'{"model": "a"} {"model": "b"}',
        b'{"model": "a",}',
        b'{"model": "a" "b": 1}',
        b'{"b": nonsense, "model": "a"}',
        b'{/* "model": "b", */ "model": "a"}',
        b'{"x": [/* " */], "model": "b", "y": [1 /* " */], "model": "a"}',
        b"{'model': 'b', \"model\": \"a\"}",
        '{"model": "a"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"model": "a"}',
    ],
)
def test_what_two_readers_could_read_differently_is_refused_by_both(read: Read, body: bytes) -> None:
    assert read(body) is by_gateway(body) is None


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from('{}[]",:\\ modelMODELu0065/*1t'), max_size=40), st.integers(0, 14))
def test_no_torn_body_is_read_otherwise_than_by_the_gateway(read: Read, noise: str, at: int) -> None:
    whole = '{"model": "a"}'
    body = (whole[:at] + noise + whole[at:]).encode()
    if (found := read(body)) is not None and (gateways := by_gateway(body)) is not None:
        assert found == gateways


@pytest.mark.parametrize("filler", ['"\\', "[],", '{"":0},', "1.1,"])
def test_long_bodies_are_read_to_their_end(read: Read, filler: str) -> None:
    count = 8 * MIB // len(filler)
    value = json.dumps(filler * (count // 2)) if filler.startswith('"') else f"[{(filler * count)[:-1]}]"
    body = f'{{"x": {value}, "model": "a"}}'.encode()
    assert read(body) == ("a", len(body) - 4, len(body) - 1)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))
@settings(deadline=None)
def test_constants_are_what_they_were_in_python(value: Any) -> None:
    def as_lua(value: Any) -> Any:
        if isinstance(value, dict):
            return {key.encode(): as_lua(one) for key, one in value.items()}
        return dict(enumerate(map(as_lua, value), 1)) if isinstance(value, list) else value.encode()

    def as_python(value: Any) -> Any:
        return {key: as_python(one) for key, one in value.items()} if hasattr(value, "items") else value

    lua = LuaRuntime(encoding=None)
    assert as_python(lua.execute(f"return {literal(value)}".encode())) == as_lua(value)
