"""Rows of a data file, each with the place it stands at, whatever the format.

This module knows what a row is and which module reads which format; what a row must contain is the business of
`routerdc.data.table`.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast


class DataError(ValueError):
    """Data that cannot be used; the message names file, row, line and reason, and says what to do."""


class RepeatedKeys(dict[str, Any]):
    """An object in which names were repeated: Python's own JSON parser would silently keep the last one."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.repeated = sorted({name for name in names if names.count(name) > 1})


@dataclass(frozen=True)
class Malformed:
    """Stands in the place of a row that is not even valid in its format."""

    reason: str


@dataclass(frozen=True)
class Row:
    """One row: `number` counts from 1, `line` is the line it begins on (None where the format has no lines)."""

    number: int
    line: int | None
    value: Any


Reader = Callable[[Path], Iterator[Row]]


@contextmanager
def opened(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """The text of `path`, unpacked if its name ends in .gz; a byte order mark is left out.

    Raises:
        DataError: it is damaged, or not UTF-8.
    """
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path, "rt", encoding="utf-8-sig", newline=newline) as file:
                yield cast(TextIO, file)
        else:
            with path.open(encoding="utf-8-sig", newline=newline) as file:
                yield file
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 near byte {error.start}: {error.reason}: save it as UTF-8") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged gzip file: {error}") from None


def from_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object that remembers whether names were repeated."""
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else RepeatedKeys(pairs)


DECODER = json.JSONDecoder(object_pairs_hook=from_pairs)


def parse_fault(error: ValueError | RecursionError) -> str:
    """Why JSON was refused, including beyond syntax: numbers of thousands of digits, endless nesting."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).split(";")[0]
