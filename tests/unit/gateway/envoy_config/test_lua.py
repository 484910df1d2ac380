"""The Lua inside Envoy, in the same LuaJIT: it finds the model where Python's JSON says that it is."""

import json
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lupa.luajit21 import LuaRuntime

from tests.unit.gateway.openai.test_body import objects, styles


@pytest.fixture(scope="module")
def model_span() -> Any:
    source = (resources.files("gateway.envoy_config") / "model_span.lua").read_text()
    return LuaRuntime(encoding=None).execute(source.encode() + b"\nreturn model_span")


@settings(deadline=None)
@given(objects, st.text(), st.integers(0, 6), styles)
def test_value_of_the_top_level_model_is_found(
    model_span: Any, fields: dict[str, Any], model: str, at: int, style: dict[str, Any]
) -> None:
    members = list(fields.items())
    body = json.dumps(dict([*members[:at], ("model", model), *members[at:]]), **style).encode(errors="replace")
    start, end = model_span(body)
    assert json.loads(body[start - 1 : end]) == json.loads(body)["model"]


@settings(deadline=None)
@given(objects, styles)
def test_nothing_is_found_where_there_is_no_model(
    model_span: Any, fields: dict[str, Any], style: dict[str, Any]
) -> None:
    assert model_span(json.dumps(fields, **style).encode(errors="replace")) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"model"',
        b'{"model": 3}',
        b'{"model": "',
        b'["model", "a"]',
        b'[{"model": "a"}]',
        b'"model": "a"',
        b"\xff",
    ],
)
def test_what_is_no_object_with_a_model_has_none(model_span: Any, body: bytes) -> None:
    assert model_span(body) is None


def test_long_strings_full_of_quotes_take_no_time(model_span: Any) -> None:
    body = json.dumps({"messages": '"\\' * 1_000_000, "model": "a"}).encode()
    start, end = model_span(body)
    assert body[start - 1 : end] == b'"a"'
