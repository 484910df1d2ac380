"""Data sets from files: one file, or all of a folder, with bad rows named by cause.

In CSV and Parquet the columns may be flat: `scores.NAME`, `costs.NAME`. Which formats are read:
`routerdc.data.formats`; what a row must contain: `routerdc.data.table`; what may lie beside the file:
`routerdc.data.sidecar`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from routerdc.data.dataset import BadRow, Dataset, Metric
from routerdc.data.formats.columns import Columns
from routerdc.data.formats.files import all_files, read_rows, stem_of
from routerdc.data.formats.rows import DataError
from routerdc.data.sidecar import known_metric, read_sidecar
from routerdc.data.table import RowError, Table

SHOWN_CAUSES = 20
SHOWN_ROWS_A_CAUSE = 3


def load_all(
    source: str | Path | Iterable[str | Path], *, skip_bad_rows: bool = False, columns: Columns | None = None
) -> list[Dataset]:
    """Loads files, and every data file of folders and their sub-folders (in order of their names).

    Data sets whose names are equal get the name of their folder in front.

    Raises:
        DataError: as `load`; or a folder holds no data file, a file is named twice, or no row of any file has a grade
            in one of the columns that were asked for.
    """
    files = all_files([source] if isinstance(source, str | Path) else source)
    datasets = [load(file, skip_bad_rows=skip_bad_rows, columns=columns) for file in files]
    if columns and (unknown := [name for name in columns.scores if not any(d.has_grades_of(name) for d in datasets)]):
        told = ", ".join(unknown)
        raise DataError(f"--score-columns: no row has a grade in {told}: write it as the file does, or leave it out")
    names = distinct_names([dataset.name for dataset in datasets], files)
    return [replace(dataset, name=name) for dataset, name in zip(datasets, names, strict=True)]


def distinct_names(names: Sequence[str], files: Sequence[Path]) -> list[str]:
    """`names`, those that stand there twice with as many folders in front as it takes to tell them apart.

    Files of one folder that would have the same name, such as math_train.csv and math_test.csv, have their own.
    """
    beside = Counter((file.absolute().parent, name) for file, name in zip(files, names, strict=True))
    own = [
        file.name if beside[file.absolute().parent, name] > 1 else name for file, name in zip(files, names, strict=True)
    ]
    found, depth = list(own), 0
    while len(set(found)) < len(found):
        twice, depth = {name for name in found if found.count(name) > 1}, depth + 1
        for place, file in enumerate(files):
            if found[place] in twice:
                found[place] = "/".join([*file.absolute().parts[:-1][-depth:], own[place]])
    return found


def load(
    path: str | Path,
    *,
    skip_bad_rows: bool = False,
    metric: Metric | None = None,
    columns: Columns | None = None,
) -> Dataset:
    """Reads one file.

    Args:
        path: a file in one of the formats of `routerdc.data.formats.files`.
        skip_bad_rows: leave bad rows out and list them in `Dataset.skipped` instead of raising.
        metric: overrides the sidecar's, which overrides what is known of the name; unknown names are pass rates.
        columns: where question and scores stand, if the table has other names for them.

    Raises:
        DataError: the file cannot be read, no row is left, or rows are bad (named by cause).
    """
    path = Path(path)
    sidecar = read_sidecar(path)
    table, bad = Table(), []
    for row in read_rows(path):
        try:
            table.add(replace(row, value=(columns or Columns()).renamed(row.value)))
        except RowError as error:
            bad.append(BadRow(path, row.number, row.line, str(error)))
    if bad and not skip_bad_rows:
        raise DataError(_bad_rows_message(bad))
    if not table.queries:
        raise DataError(f"{path}: no usable row" + (f" ({len(bad)} bad ones skipped)" if bad else ""))
    name = sidecar.name or dataset_name(path)
    return table.dataset(name, metric or sidecar.metric or known_metric(name), sidecar, tuple(bad))


def dataset_name(path: Path) -> str:
    """The file's name without its split: `gsm8k-train.json` → `gsm8k`; `pool9/train.json` → `pool9`."""
    stem = re.sub(r"(^|[-_.])(train|test|val|valid|validation|dev)$", "", stem_of(path), flags=re.IGNORECASE)
    return stem or path.resolve().parent.name


def _bad_rows_message(bad: Sequence[BadRow]) -> str:
    """The first rows of each cause, and how many more there are like them."""
    lines = described(bad)
    return "\n".join([*lines, f"{len(bad)} bad rows: repair them, or leave them out with --skip-bad-rows"])


def described(bad: Sequence[BadRow]) -> list[str]:
    """Bad rows for people: a few lines for each cause instead of one for each row."""
    causes: dict[str, list[BadRow]] = {}
    for row in bad:
        causes.setdefault(re.sub(r"'[^']*'|\d[\d.e+-]*", "…", row.reason), []).append(row)
    lines = []
    for rows in list(causes.values())[:SHOWN_CAUSES]:
        lines += [str(row) for row in rows[:SHOWN_ROWS_A_CAUSE]]
        if more := len(rows) - SHOWN_ROWS_A_CAUSE if len(rows) > SHOWN_ROWS_A_CAUSE else 0:
            lines.append(f"… and {more} more rows like that")
    if (more := len(causes) - SHOWN_CAUSES) > 0:
        lines.append(f"… and {more} more causes")
    return lines
