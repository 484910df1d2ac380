"""Rows of a data file, each with the place it stands at: JSON (a list), JSON Lines, CSV and Parquet.

Files are read in pieces, so a file larger than memory's comfort costs no more than its rows do. This module knows
formats; what a row must contain is `routerdc.data.dataset`'s business.
"""

import csv
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

PIECE_CHARS = 1 << 20
LONGEST_CELL_CHARS = 1 << 28  # Python's own limit is 128 KiB: shorter than some prompts


class DataError(ValueError):
    """Data that cannot be used; the message names file, row, line and reason, and says what to do."""


class RepeatedKeys(dict[str, Any]):
    """A JSON object in which names were repeated: Python's own parser would silently keep the last one."""

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


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file, in order.

    Raises:
        DataError: no such file, an unknown format, or damage after which no further row can be found.
    """
    if (reader := READERS.get(path.suffix.lower())) is None:
        raise DataError(f"{path}: unknown format {path.suffix!r}: use one of {', '.join(READERS)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        yield from reader(path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 near byte {error.start}: {error.reason}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else RepeatedKeys(pairs)


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


_AFTER_VALUE = (",", "]", " ", "\t", "\r", "\n")


class _Text:
    """A window on a text file that grows on demand and remembers the line it stands on."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._text, self.line, self._piece = file, "", 1, PIECE_CHARS

    def _more(self) -> bool:
        piece = self._file.read(self._piece)
        self._text += piece
        self._piece *= 2  # so that a huge value is parsed again only a few times
        return bool(piece)

    def _advance(self, chars: int) -> None:
        self.line += self._text.count("\n", 0, chars)
        self._text = self._text[chars:]

    def peek(self) -> str:
        """The next character that is not white space; empty at the end of the file."""
        while True:
            self._advance(len(self._text) - len(self._text.lstrip()))
            if self._text or not self._more():
                return self._text[:1]

    def skip(self) -> None:
        self._advance(1)

    def value(self) -> Any:
        """The JSON value that begins here."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text)
                complete = self._text[end : end + 1] in _AFTER_VALUE  # `12` may go on as `12.3` in the next piece
            except json.JSONDecodeError as error:
                if not self._more():
                    self._advance(error.pos)
                    raise
                continue
            if complete or not self._more():
                self._advance(end)
                self._piece = PIECE_CHARS
                return value


def _read_json(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        text = _Text(file)
        if text.peek() != "[":
            raise DataError(f"{path}:{text.line}: not a JSON list: begin with '[', or name the file .jsonl")
        text.skip()
        number = 0
        while (mark := text.peek()) != "]":
            if number and mark != ",":
                raise DataError(f"{path}:{text.line}: expected ',' or ']' after row {number}")
            if number:
                text.skip()
                text.peek()
            number += 1
            line = text.line
            try:
                value = text.value()
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}:{text.line}: row {number} is not JSON: {_reason(error)}") from None
            yield Row(number, line, value)


def _read_jsonl(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        number = 0
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            number += 1
            try:
                yield Row(number, line, _DECODER.decode(text))
            except (ValueError, RecursionError) as error:
                yield Row(number, line, Malformed(f"not JSON: {_reason(error)}"))


def _reason(error: ValueError | RecursionError) -> str:
    """Also of what the parser refuses beyond syntax: numbers of thousands of digits, endless nesting."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).split(";")[0]


def _read_csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_CELL_CHARS)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = next(reader, [])
            if repeated := sorted({name for name in header if header.count(name) > 1}):
                raise DataError(f"{path}:1: columns named twice: {', '.join(repeated)}")
            line = reader.line_num + 1
            for number, cells in enumerate(reader, start=1):
                yield Row(number, line, _csv_value(header, cells))
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{path}:{reader.line_num}: not CSV: {error}") from None


def _csv_value(header: list[str], cells: list[str]) -> Any:
    if len(cells) != len(header):
        return Malformed(f"{len(cells)} cells, but the header has {len(header)}")
    return _nested({name: _cell(name, cell) for name, cell in zip(header, cells, strict=True)})


def _cell(name: str, cell: str) -> Any:
    """A number where the column holds numbers; an empty cell is a missing value; else the text as it is."""
    if name == "question":
        return cell
    if not cell.strip():
        return None
    try:
        return int(cell) if name == "cluster_id" else float(cell)
    except ValueError:
        return cell


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            rows = (row for batch in file.iter_batches(batch_size=4096) for row in batch.to_pylist())
            for number, row in enumerate(rows, start=1):
                yield Row(number, None, _nested(row))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: not Parquet: {error}") from None


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    """`scores.NAME` and `costs.NAME` columns gathered into `scores` and `costs`; a map's pairs become an object."""
    row: dict[str, Any] = {}
    for name, value in flat.items():
        group, dot, llm = name.partition(".")
        if dot and group in {"scores", "costs"}:
            row.setdefault(group, {})[llm] = value
        elif name in {"scores", "costs"} and isinstance(value, list):
            row[name] = _object(value)
        elif not (value is None or (isinstance(value, float) and math.isnan(value))):
            row[name] = value
    return row


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
