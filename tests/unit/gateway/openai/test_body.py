"""Bodies: whatever JSON it is, only the value of `model` changes; whatever is not JSON is refused with words."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.openai.answers import OpenAiError
from gateway.openai.body import parse

names = st.text(min_size=1).filter(lambda name: name.isprintable())
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("model"), inner, max_size=4),
    max_leaves=8,
)
objects = st.dictionaries(st.text().filter(lambda key: key != "model"), values, max_size=6)
styles = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.none() | st.integers(0, 3),
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", "\n: ")]),
    }
)


@settings(deadline=None)
@given(objects, names, names, st.integers(0, 6), styles)
def test_only_the_model_changes(fields: dict[str, Any], old: str, new: str, at: int, style: dict[str, Any]) -> None:
    members = list(fields.items())
    body = json.dumps(dict([*members[:at], ("model", old), *members[at:]]), **style).encode()
    parsed = parse(body)
    changed = parsed.with_model(new)
    assert parsed.model == old
    assert json.loads(changed) == {**fields, "model": new}
    before, after = parsed.text[: parsed.start].encode(), parsed.text[parsed.end :].encode()
    assert body.startswith(before)
    assert body.endswith(after)
    assert changed == before + json.dumps(new).encode() + after


@settings(deadline=None)
@given(objects, st.sampled_from(["llm", 'a "b" \\ c', "模型"]))
def test_fields_are_what_json_says_but_for_numbers(fields: dict[str, Any], model: str) -> None:
    def without_integers(value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return 0
        if isinstance(value, list):
            return [without_integers(one) for one in value]
        if isinstance(value, dict):
            return {key: without_integers(one) for key, one in value.items()}
        return value

    parsed = parse(json.dumps({"model": model, **fields}).encode())
    assert parsed.fields == without_integers({"model": model, **fields})


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        parsed = parse(body)
    except OpenAiError:
        return
    assert json.loads(parsed.with_model("other"))["model"] == "other"


@settings(deadline=None)
@given(st.text(alphabet='{}[]":,\\ model1.eE-', max_size=40))
def test_what_is_read_is_what_json_reads(text: str) -> None:
    try:
        parsed = parse(text.encode())
    except OpenAiError:
        return
    assert json.loads(text)["model"] == parsed.model


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        (b"", None, "'{' is expected at character 0"),
        (b"[]", None, "'{' is expected"),
        (b'{"model": "a"', None, "',' is expected at character 13"),
        (b'{"model": "a",}', None, "a key in quotes is expected at character 14"),
        (b'{"model": "a"} x', None, "something follows the object"),
        (b'{"model": "a", "x": NaN}', None, "NaN is not JSON"),
        (b'{"model": "a", "x": "\xff"}', None, "not UTF-8"),
        (b'\xef\xbb\xbf{"model": "a"}', None, "'{' is expected"),
        (b'{"x": ' + b"[" * 100_000, None, "not a JSON object"),
        (b"{}", "model", "is required"),
        (b'{"model": 3}', "model", "a string"),
        (b'{"model": ""}', "model", "is required"),
        (b'{"model": "a", "model": "b"}', "model", "is there twice"),
    ],
)
def test_refusal_names_the_field_and_the_place(body: bytes, param: str | None, said: str) -> None:
    with pytest.raises(OpenAiError) as caught:
        parse(body)
    assert (caught.value.status, caught.value.param) == (400, param)
    assert said in caught.value.message


def test_endless_integer_passes() -> None:
    digits = b"9" * 10_000
    assert (
        parse(b'{"model": "a", "seed": ' + digits + b"}").with_model("b") == b'{"model": "b", "seed": ' + digits + b"}"
    )
