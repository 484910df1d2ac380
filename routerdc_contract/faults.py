"""What is wrong with the fields of a model, in words for people who wrote a file or a request.

pydantic speaks of Python ("a valid tuple", "instance of Llm"), and of a name that it does not know it does not say
which one was meant.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

_NEEDED = {
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type"), "a list is needed"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), "fields are needed"),
    "string_type": "text is needed",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number is needed"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number is needed"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false is needed"),
}


def said(fault: ErrorDetails, model: type[BaseModel] | None = None) -> str:
    """What is wrong: our own words where we refused it, or where pydantic's are for programmers, else pydantic's.

    Never what was given, which may be a key or a prompt. With the `model` of the whole it names fields that are there.
    """
    kind = fault["type"]
    if kind == "value_error":
        return str(fault["ctx"]["error"])
    if kind == "extra_forbidden":
        return "there is no such field" + ("" if model is None else _meant(model, fault["loc"]))
    if kind == "missing":
        return "is missing"
    if kind == "too_short":
        return f"at least {fault['ctx']['min_length']} are needed, not {fault['ctx']['actual_length']}"
    if kind in _NEEDED:
        return f"{_NEEDED[kind]}, not {_given(fault['input'])}{_cure(kind, fault['input'])}"
    return fault["msg"]


def _given(value: Any) -> str:
    if value is None:
        return "nothing"
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "fields"}
    if isinstance(value, float) and not value.is_integer():
        return "a fraction"
    return kinds.get(type(value), type(value).__name__)


def _cure(kind: str, value: Any) -> str:
    if _NEEDED[kind] == "a list is needed" and isinstance(value, str | int | float):
        return ": put it in [ ]"
    return ": put it in quotes" if kind == "string_type" and not isinstance(value, list | dict | None) else ""


def _meant(model: type[BaseModel], location: Sequence[int | str]) -> str:
    """The field whose name is nearest to the last of `location`, or the names of all that are there."""
    known = _fields(model.model_json_schema(), location[:-1])
    if near := get_close_matches(str(location[-1]), known, n=1):
        return f"; did you mean {near[0]}?"
    return f"; there is {', '.join(known)}" if known else ""


def _fields(schema: Mapping[str, Any], location: Sequence[int | str]) -> list[str]:
    """The names that the object at `location` may have; empty where the schema does not tell."""
    part: Mapping[str, Any] = schema
    for key in location:
        part = _resolved(schema, part)
        inner = part.get("items") if isinstance(key, int) else part.get("properties", {}).get(key)
        part = inner or part.get("additionalProperties") or {}
        if not isinstance(part, Mapping):
            return []
    return list(_resolved(schema, part).get("properties", {}))


def _resolved(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference, or a choice with None, leads to."""
    for choice in part.get("anyOf", ()):
        if choice.get("type") != "null":
            part = choice
            break
    name = str(part.get("$ref", "")).removeprefix("#/$defs/")
    found: Mapping[str, Any] = schema["$defs"][name] if name else part
    return found
