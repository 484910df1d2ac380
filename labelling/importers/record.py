"""What every importer yields, and how it says that a file is not what it should be."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelling.errors import ImportFormatError
from labelling.prompts.prompt import Prompt
from labelling.prompts.shapes import RowError, prompt_of
from labelling.store.records import Answer


@dataclass(frozen=True)
class Record:
    """One answer of one LLM. `score` in [0, 1], None where the file has none; `metric` names what graded it."""

    prompt: Prompt
    llm: str
    answer: Answer
    score: float | None = None
    metric: str = ""


@dataclass(frozen=True)
class Options:
    """What the user chose. `metric`: which of several scores; `llm`: the LLM's name where the file does not say it."""

    metric: str | None = None
    llm: str | None = None


def prompt(given: Any, reference: Any, domain: str | None, where: str) -> Prompt:
    """The prompt in `given`: a text, or a chat (a list of messages, or its JSON).

    Raises:
        ImportFormatError: it holds none.
    """
    if isinstance(given, str) and given.lstrip().startswith("[{"):
        with contextlib.suppress(ValueError):  # a prompt may begin with a bracket
            given = json.loads(given)
    row = {"messages": given} if isinstance(given, list) else {"question": given}
    try:
        found = prompt_of(row)
    except RowError as error:
        raise ImportFormatError(f"{where}: {error}") from None
    return Prompt(found.messages, reference, domain)


def number(value: Any, where: str) -> float | None:
    """A score: a number in [0, 1], or true or false; None for null.

    Raises:
        ImportFormatError: anything else.
    """
    if value is None:
        return None
    if isinstance(value, int | float) and 0 <= float(value) <= 1:
        return float(value)
    raise ImportFormatError(f"{where}: a score must be a number from 0 to 1; choose another with --metric")


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        ImportFormatError: it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ImportFormatError(f"{path}: not JSON: {error}") from None


def lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Objects of a JSON Lines file with where they stand; a file that is one JSON list, or {"data": […]}, as well.

    Raises:
        ImportFormatError: it is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ImportFormatError(f"{path}: cannot be read: {error}") from None
    if (whole := _whole(text)) is not None:
        for index, row in enumerate(whole, start=1):
            yield f"{path} row {index}", _object(row, f"{path} row {index}")
        return
    for line, part in enumerate(text.splitlines(), start=1):
        if part.strip():
            where = f"{path}:{line}"
            try:
                value = json.loads(part)
            except ValueError:
                raise ImportFormatError(f"{where}: not JSON") from None
            yield where, _object(value, where)


def _whole(text: str) -> list[Any] | None:
    """The rows of a file that is one JSON value; None where it is JSON Lines."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if isinstance(value, dict):
        value = value.get("data", [value])
    return value if isinstance(value, list) else [value]


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ImportFormatError(f"{where}: not an object")
    return value


def need(row: Mapping[str, Any], field: str, where: str) -> Any:
    """A field that the format must have.

    Raises:
        ImportFormatError: it is missing: another format, or a version of it that is not known.
    """
    if field not in row:
        raise ImportFormatError(f"{where}: no field {field}: not this format, or a version of it that is not known")
    return row[field]


def from_json(value: Any) -> Any:
    """A chat or an answer that an export holds as a text of JSON; anything else as it is."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value


def seconds_to_ms(value: Any) -> float | None:
    """Milliseconds of a number of seconds."""
    return 1000 * float(value) if isinstance(value, int | float) else None
