"""Bodies: whatever JSON it is, only the value of `model` changes; whatever is not JSON is refused with words."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.bodies.edits import Editor
from gateway.openai.bodies.members import MAX_MARKS, MAX_MEMBERS, Members, parse

names = st.text(min_size=1).filter(lambda name: name.isprintable())
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("model"), inner, max_size=4),
    max_leaves=8,
)
# Some server takes these for names of models; that they are refused is tested below.
READ_AS_MODELS = {"model", "models", "fallbacks"}
keys = st.text().filter(lambda key: key.partition("\0")[0].casefold() not in READ_AS_MODELS)
objects = st.dictionaries(keys, values, max_size=6)
styles = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.none() | st.integers(0, 3),
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", "\n: ")]),
    }
)


def with_model(body: Members, model: str) -> bytes:
    """`body` with another model, as an LLM gets it."""
    editor = Editor(body.data, {"model": body.spans["model"]}, body.inside, ["model"])
    return editor.body({"model": json.dumps(model).encode()})


@settings(deadline=None)
@given(objects, names, names, st.integers(0, 6), styles)
def test_only_the_model_changes(fields: dict[str, Any], old: str, new: str, at: int, style: dict[str, Any]) -> None:
    members = list(fields.items())
    body = json.dumps(dict([*members[:at], ("model", old), *members[at:]]), **style).encode()
    parsed = parse(body)
    changed = with_model(parsed, new)
    assert parsed.model == old
    assert json.loads(changed) == {**fields, "model": new}
    start, end = parsed.spans["model"]
    assert changed == body[:start] + json.dumps(new).encode() + body[end:]


@settings(deadline=None)
@given(objects, st.sampled_from(["llm", 'a "b" \\ c', "模型"]))
def test_values_are_what_json_says_but_for_numbers(fields: dict[str, Any], model: str) -> None:
    def without_integers(value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return 0
        if isinstance(value, list):
            return [without_integers(one) for one in value]
        if isinstance(value, dict):
            return {key: without_integers(one) for key, one in value.items()}
        return value

    given = {"model": model, **fields}
    parsed = parse(json.dumps(given).encode())
    assert parsed.values(given.keys()) == without_integers(given)
    assert parsed.present(given.keys()) == {name: bool(without_floats(value)) for name, value in given.items()}


def without_floats(value: Any) -> Any:
    """0.0 and -0 are written as numbers of which `present` knows only 0."""
    return True if isinstance(value, float) else value


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        parsed = parse(body)
    except OpenAiError:
        return
    assert json.loads(with_model(parsed, "other"))["model"] == "other"


@settings(deadline=None)
@given(st.text(alphabet='{}[]":,\\ model1.eE-ud8', max_size=40))
def test_what_is_read_is_what_json_reads(text: str) -> None:
    try:
        parsed = parse(text.encode())
    except OpenAiError:
        return
    assert json.loads(text)["model"] == parsed.model


KEYS = st.lists(st.sampled_from(["a", "model", "mod\\u0065l", "b", "\\u0061"]), max_size=5)


@settings(deadline=None)
@given(KEYS, st.lists(st.sampled_from(['"x"', '"y"', "1", "12", "{}", '{"model": 1}']), min_size=5, max_size=5))
def test_a_key_that_is_there_twice_is_refused_however_it_is_written(keys: list[str], texts: list[str]) -> None:
    body = "{" + ", ".join(f'"{key}": {value}' for key, value in zip(keys, texts, strict=False)) + "}"
    plain = [json.loads(f'"{key}"') for key in keys]
    if len(set(plain)) < len(plain):
        with pytest.raises(OpenAiError, match="is there twice"):
            parse(body.encode())
        return
    if not isinstance(json.loads(body).get("model"), str):
        with pytest.raises(OpenAiError, match="model: is required"):
            parse(body.encode())
        return
    parsed = parse(body.encode())
    assert {name: json.loads(body[start:end]) for name, (start, end) in parsed.spans.items()} == json.loads(body)


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        (b"", None, "not a JSON object"),
        (b"[]", None, "Expected `object`, got `array`"),
        (b'{"model": "a"', None, "truncated"),
        (b'{"model": "a",}', None, "trailing comma in object (byte 14)"),
        (b'{"model": "a"} x', None, "trailing characters"),
        (b'{"model": "a", "x": NaN}', None, "invalid character (byte 20)"),
        (b'{"model": "a", "x": "\xff"}', None, "not UTF-8"),
        (b'\xef\xbb\xbf{"model": "a"}', None, "invalid character (byte 0)"),
        (b'{"model": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", None, "recursion depth"),
        (b"{}", "model", "is required"),
        (b'{"model": 3}', "model", "a string"),
        (b'{"model": ""}', "model", "is required"),
        (b'{"model": "a", "model": "b"}', "model", "is there twice"),
        (b'{"model": "a", "mod\\u0065l": "a"}', "model", "is there twice"),
        (b'{"model": "a", "models": ["gpt-5"]}', "models", "leave it out"),
        (b'{"Model\\u0073": ["gpt-5"], "model": "a"}', "Models", "leave it out"),
        (b'{"model": "a", "fallbacks": [{"model": "gpt-5"}]}', "fallbacks", "leave it out"),
    ],
)
def test_refusal_names_the_field_and_the_place(body: bytes, param: str | None, said: str) -> None:
    with pytest.raises(OpenAiError) as caught:
        parse(body)
    assert (caught.value.status, caught.value.param) == (400, param)
    assert said in caught.value.message


def test_endless_integer_passes() -> None:
    digits = b"9" * 10_000
    parsed = parse(b'{"model": "a", "seed": ' + digits + b"}")
    assert with_model(parsed, "b") == b'{"model": "b", "seed": ' + digits + b"}"


def test_half_a_character_passes_unchanged_whatever_stands_before_it() -> None:
    body = b'{"model": "a", "x": "\\ud800 \\\\ud800 \\ud83d\\ude00", "\\ud801": 1, "\\ud83d\\ude00": 1}'
    assert with_model(parse(body), "b") == body.replace(b'"a"', b'"b"')


def test_keys_without_end_are_refused_before_they_are_walked() -> None:
    def body(members: int) -> bytes:
        return b'{"model": "a"' + b"".join(b', "k%d": 0' % i for i in range(members - 1)) + b"}"

    assert len(parse(body(MAX_MEMBERS)).spans) == MAX_MEMBERS
    with pytest.raises(OpenAiError, match=f"more than {MAX_MEMBERS} members") as caught:
        parse(body(MAX_MEMBERS + 1))
    assert caught.value.status == 413


def test_members_with_too_many_values_are_not_made_into_objects() -> None:
    parsed = parse(b'{"model": "a", "x": [' + b"[]," * MAX_MARKS + b'[]], "y": "' + b"," * 10 + b'"}')
    assert parsed.values(["y"]) == {"y": "," * 10}
    with pytest.raises(OpenAiError, match=f"more than {MAX_MARKS} values in x") as caught:
        parsed.values(["x"])
    assert caught.value.status == 413
