"""Prompt files: JSON, JSON Lines, CSV and Parquet, read row by row.

Tables of numbers have their own reader of CSV (`routerdc.data`), which turns cells into numbers; here every cell is a
text, because "007" is another answer than 7.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelling.errors import PromptError
from labelling.prompts.prompt import Prompt
from labelling.prompts.shapes import RowError, prompt_of
from routerdc.data.formats.files import read_rows
from routerdc.data.formats.rows import DataError

SHOWN_BAD_ROWS = 20


@dataclass(frozen=True)
class BadRow:
    """A row without a usable prompt, and why."""

    path: Path
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}{self.place}: {self.reason}"


def read_prompts(paths: Iterable[Path], *, skip_bad_rows: bool = False) -> tuple[list[Prompt], list[BadRow]]:
    """All prompts of all files in order, and the rows that hold none.

    Raises:
        PromptError: a file cannot be read; rows are bad and are not to be skipped; or no prompt is left.
    """
    prompts: list[Prompt] = []
    bad: list[BadRow] = []
    for path in paths:
        for place, value in _rows(path):
            try:
                prompts.append(prompt_of(value))
            except RowError as error:
                bad.append(BadRow(path, place, str(error)))
    if bad and not skip_bad_rows:
        raise PromptError(_message(bad))
    if not prompts:
        raise PromptError(f"no prompt in {', '.join(map(str, paths))}")
    return prompts, bad


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    if path.suffix.lower() == ".csv":
        yield from _csv_rows(path)
        return
    try:
        for row in read_rows(path):
            place = f":{row.line}" if row.line else f" row {row.number}"
            yield place, row.value
    except DataError as error:
        raise PromptError(str(error)) from None


def _csv_rows(path: Path) -> Iterator[tuple[str, Any]]:
    csv.field_size_limit(1 << 28)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            for row in reader:
                yield (
                    f":{reader.line_num}",
                    {name: cell for name, cell in row.items() if name and cell not in ("", None)},
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PromptError(f"{path}: not CSV in UTF-8: {error}") from None


def _message(bad: Sequence[BadRow]) -> str:
    more = len(bad) - SHOWN_BAD_ROWS
    lines = [*map(str, bad[:SHOWN_BAD_ROWS]), *([f"… and {more} more"] if more > 0 else [])]
    return "\n".join([*lines, f"{len(bad)} rows without a prompt: repair them, or leave them out with --skip-bad-rows"])
