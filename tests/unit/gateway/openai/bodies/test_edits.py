"""Bodies of candidates: each is what its own model and parameters make of the caller's body."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.bodies.edits import MAX_REPLACED_BYTES, Editor, Values
from gateway.openai.bodies.members import parse
from tests.unit.gateway.openai.bodies.test_members import styles, values

NAMES = ["temperature", "reasoning_effort", "seed"]
parameters = st.dictionaries(st.sampled_from(NAMES), values, max_size=3)


def variant(model: str, given: dict[str, Any]) -> Values:
    return {name: json.dumps(value).encode() for name, value in ({"model": model} | given).items()}


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*NAMES, "messages", "é"]), values), parameters, parameters, styles)
def test_every_candidate_gets_the_callers_body_with_its_own_members(
    caller: dict[str, Any], first: dict[str, Any], other: dict[str, Any], style: dict[str, Any]
) -> None:
    members = parse(json.dumps({**caller, "model": "auto", "last": 1}, **style).encode())
    one, two = variant("a", first), variant('b "x"', other)
    names = dict.fromkeys([*one, *two])
    editor = Editor(members.data, members.spans, members.inside, names)
    sent = editor.body(one)
    assert json.loads(sent) == {**caller, "last": 1, "model": "a", **first}
    retried = sent
    for edit in reversed(editor.edits(one, two)):
        retried = retried[: edit.start] + edit.text + retried[edit.end :]
    assert retried == editor.body(two)
    assert json.loads(retried) == {**caller, "last": 1, "model": 'b "x"', **other}


def test_candidates_that_are_alike_need_no_edit() -> None:
    members = parse(b'{"model": "auto"}')
    one = variant("a", {"seed": 1})
    assert Editor(members.data, members.spans, members.inside, one).edits(one, one) == []


def test_a_long_value_that_a_parameter_replaces_is_refused_by_its_name() -> None:
    members = parse(b'{"model": "auto", "seed": "' + b"x" * MAX_REPLACED_BYTES + b'"}')
    with pytest.raises(OpenAiError) as caught:
        Editor(members.data, members.spans, members.inside, ["model", "seed"])
    assert (caught.value.status, caught.value.param) == (400, "seed")
