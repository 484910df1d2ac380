"""CSV as spreadsheets and programs write it: commas, semicolons, tabs or bars; any line ends; blank lines left out."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from routerdc.data.formats.columns import column_name, nested
from routerdc.data.formats.rows import DataError, Malformed, Row, opened

LONGEST_CELL_CHARS = 1 << 28  # Python's own limit is 128 KiB: shorter than some prompts
_DELIMITERS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)  # Excel writes it above the header


def read_csv(path: Path) -> Iterator[Row]:
    """The rows below the header."""
    csv.field_size_limit(LONGEST_CELL_CHARS)
    with opened(path, newline="") as file:
        delimiter, spaced, skipped = _dialect(path, file)
        reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=spaced)
        try:
            header = _header(path, next(reader, []), skipped + 1)
            line, number = skipped + reader.line_num + 1, 0
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    number += 1
                    yield Row(number, line, _value(header, cells))
                line = skipped + reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{path}:{skipped + reader.line_num}: not CSV: {error}") from None


def _dialect(path: Path, file: TextIO) -> tuple[str, bool, int]:
    """What separates the cells, whether a space follows it, and how many lines stand above the header.

    Leaves `file` at the header.
    """
    first, skipped = file.readline(), 0
    if match := _SEPARATOR_LINE.fullmatch(first):
        place, skipped = file.tell(), 1
        first = file.readline()
        file.seek(place)
    else:
        file.seek(0)
    bare = re.sub(r'"[^"]*"', "", first)
    usual = "\t" if ".tsv" in path.name.lower() else max(_DELIMITERS, key=bare.count)
    delimiter = match[1] if match else usual
    return delimiter, f"{delimiter} " in bare, skipped


def _header(path: Path, cells: list[str], line: int) -> list[str]:
    names = [column_name(cell) for cell in cells]
    if repeated := sorted({name for name in names if name and names.count(name) > 1}):
        raise DataError(f"{path}:{line}: columns named twice: {', '.join(repeated)}")
    return names


def _value(header: list[str], cells: list[str]) -> object:
    """The row as an object. A first column without a name is an index, as pandas writes it."""
    while len(cells) > len(header) and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) != len(header):
        return Malformed(f"{len(cells)} cells, but the header has {len(header)}")
    pairs = list(zip(header, cells, strict=True))
    if nameless := [cell for place, (name, cell) in enumerate(pairs) if not name and place and cell.strip()]:
        return Malformed(f"a cell in a column without a name: {nameless[0][:20]!r}")
    return nested({name: _cell(name, cell) for name, cell in pairs if name})


def _cell(name: str, cell: str) -> object:
    """Text, but for a cluster's number and whether a row is steered; an empty cell is a missing value."""
    if not cell.strip():
        return None
    if name == "cluster_id":
        try:
            return int(cell)
        except ValueError:
            return cell
    if name == "steered":
        return {"true": True, "false": False}.get(cell.strip().lower(), cell)
    return cell
