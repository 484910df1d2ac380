"""Data sets of graded answers: how well every LLM of a pool answered every query, read by the LLM's *name*.

A row is `{"question": text, "scores": {LLM: grade in [0, 1] or null}, "costs": {LLM: dollars} (optional),
"cluster_id": integer (optional), "task": text (optional)}`; in CSV and Parquet the columns may be flat: `scores.NAME`,
`costs.NAME`. How grades may be written, and which formats are read: `routerdc.data.formats`. Beside `DATA.json` may lie
`DATA.yaml` with `name`, `metric`, `prices` and `tokens_per_query` (see `Sidecar`).

Missing scores are NaN, never zero.
"""

import math
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from routerdc.data.formats.columns import Columns, missing_hint
from routerdc.data.formats.files import all_files, files_of, read_rows, sidecar_of, stem_of
from routerdc.data.formats.grades import GradeError, kind, read_number
from routerdc.data.formats.rows import DataError, Malformed, RepeatedKeys, Row
from routerdc_contract.names import name_fault
from routerdc_contract.yaml_model import YamlError, load_yaml_model

__all__ = [
    "BadRow",
    "Columns",
    "DataError",
    "Dataset",
    "Metric",
    "described",
    "files_of",
    "known_metric",
    "load",
    "load_all",
    "pool",
]

SHOWN_CAUSES = 20
SHOWN_ROWS_A_CAUSE = 3
DEAREST_DOLLARS = 1e6  # a query: whatever is above is another unit


class Metric(Enum):
    """What a score says (paper, section 4.1 and its released evaluator)."""

    PROBABILITY = "probability"
    """Probability of the right option, 0 where the LLM is wrong: any score above 0 is correct."""
    PASS_RATE = "pass_rate"  # noqa: S105 - not a password
    """Share of sampled answers that are right: the score is the quality."""


_PROBABILITY_SETS = {"mmlu", "cmmlu", "arcc", "arcchallenge", "ceval", "prealgebra", "mathprealgebra"}


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used, and why."""

    path: Path
    row: int
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.path}{f':{self.line}' if self.line else ''}: row {self.row}: {self.reason}"


class Sidecar(BaseModel):
    """`DATA.yaml` beside a data file: what the rows themselves do not say."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    name: str | None = None
    metric: Metric | None = None
    prices: dict[str, float] = Field(default_factory=dict, description="US dollars per million tokens, by LLM")
    tokens_per_query: float = Field(default=500, gt=0, description="prompt and answer together, for `prices`")
    grading: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="how far each grader agrees with people (`routerdc grade` writes it)"
    )


@dataclass(frozen=True, eq=False)
class Dataset:
    """Scored queries. Column j of `scores` and `costs` belongs to `llms[j]` (in order of first appearance)."""

    name: str
    queries: tuple[str, ...]
    llms: tuple[str, ...]
    scores: npt.NDArray[np.float32]
    """(n, n_llms), NaN where missing"""
    costs: npt.NDArray[np.float32] | None = None
    """(n, n_llms) US dollars, NaN where missing"""
    cluster_ids: npt.NDArray[np.int64] | None = None
    """(n,), None unless every row has one"""
    tasks: tuple[str, ...] | None = None
    """what kind of query each row is, in the words of the data; None unless every row has one"""
    metric: Metric = Metric.PASS_RATE
    skipped: tuple[BadRow, ...] = ()
    """rows left out with `skip_bad_rows`"""
    grading: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """how far each grader agrees with people: its kappa, the interval and the number of rows"""

    def __len__(self) -> int:
        return len(self.queries)

    def quality(self) -> npt.NDArray[np.float32]:
        """(n, n_llms) float32 in [0, 1]: how right each LLM is; NaN where its score is missing."""
        if self.metric is Metric.PASS_RATE:
            return self.scores
        return np.where(np.isnan(self.scores), np.nan, self.scores > 0).astype(np.float32)

    def has_grades_of(self, llm: str) -> bool:
        """Whether any row grades it."""
        return llm in self.llms and not bool(np.isnan(self.scores[:, self.llms.index(llm)]).all())

    def select(self, rows: npt.NDArray[Any] | Sequence[int]) -> Self:
        """The rows at these indices (or under this boolean mask), in that order."""
        index = np.arange(len(self))[np.asarray(rows)]
        return replace(
            self,
            queries=tuple(self.queries[i] for i in index),
            scores=self.scores[index],
            costs=None if self.costs is None else self.costs[index],
            cluster_ids=None if self.cluster_ids is None else self.cluster_ids[index],
            tasks=None if self.tasks is None else tuple(self.tasks[i] for i in index),
        )

    def aligned(self, llms: Sequence[str]) -> Self:
        """The same rows with exactly the columns `llms`; an LLM that this data set does not know is all NaN."""
        return replace(
            self,
            llms=tuple(llms),
            scores=_columns(self.scores, self.llms, llms),
            costs=None if self.costs is None else _columns(self.costs, self.llms, llms),
        )


def pool(datasets: Iterable[Dataset]) -> tuple[str, ...]:
    """The LLMs of all data sets, in order of first appearance."""
    return tuple(dict.fromkeys(llm for dataset in datasets for llm in dataset.llms))


def only(datasets: Sequence[Dataset], llms: Sequence[str]) -> list[Dataset]:
    """`datasets` with no LLMs but `llms`; rows on which none of them has a grade are left out.

    Raises:
        DataError: an LLM is in no data set, or a data set has no row left.
    """
    if unknown := [llm for llm in llms if llm not in pool(datasets)]:
        raise DataError(f"--llms: no table has {', '.join(unknown)}; there are {', '.join(pool(datasets))}")
    kept = [dataset.aligned([llm for llm in dataset.llms if llm in llms]) for dataset in datasets]
    kept = [dataset.select(~np.isnan(dataset.scores).all(axis=1)) for dataset in kept]
    if empty := [dataset.name for dataset in kept if not len(dataset)]:
        raise DataError(f"--llms: {', '.join(empty)} has no grade of these LLMs: leave the file out")
    return kept


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
    sidecar = _read_sidecar(sidecar_of(path))
    table, bad = _Table(), []
    for row in read_rows(path):
        try:
            table.add(replace(row, value=(columns or Columns()).renamed(row.value)))
        except _RowError as error:
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


def known_metric(name: str) -> Metric:
    """The metric of the paper's data sets by name; pass rate for all others."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return Metric.PROBABILITY if plain in _PROBABILITY_SETS else Metric.PASS_RATE


class _RowError(ValueError):
    """The reason why one row is bad."""


class _Table:
    """Rows gathered column by column, compactly: 4 bytes a score."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self._llms: dict[str, int] = {}
        self._scores: list[array[float]] = []
        self._costs: list[array[float]] = []
        self._clusters: list[int | None] = []
        self._tasks: list[str | None] = []

    def add(self, row: Row) -> None:
        """Takes one row in; a row that is refused leaves the table as it was.

        Raises:
            _RowError: the row cannot be used; the message names the field.
        """
        value = _object(row.value)
        question = _question(value)
        scores = _numbers(value, "scores", upper=1.0)
        if not any(number is not None for number in scores.values()):
            raise _RowError("scores: none given: write {LLM name: number}, or remove the row")
        costs = _numbers(value, "costs", upper=DEAREST_DOLLARS) if value.get("costs") is not None else {}
        cluster, task = _cluster(value), _task(value)
        self.queries.append(question)
        self._scores.append(self._packed(scores))
        self._costs.append(self._packed(costs) if costs else array("f"))
        self._clusters.append(cluster)
        self._tasks.append(task)

    def _packed(self, numbers: dict[str, float | None]) -> "array[float]":
        for llm in numbers:
            self._llms.setdefault(llm, len(self._llms))
        packed = array("f", [math.nan]) * len(self._llms)
        for llm, number in numbers.items():
            packed[self._llms[llm]] = math.nan if number is None else number
        return packed

    def dataset(self, name: str, metric: Metric, sidecar: Sidecar, skipped: tuple[BadRow, ...]) -> Dataset:
        """All rows as a data set; without costs of their own, they cost what `sidecar`'s prices say."""
        llms = tuple(self._llms)
        costs = _padded(self._costs, len(llms)) if any(self._costs) else _priced(len(self.queries), llms, sidecar)
        clusters = [cluster for cluster in self._clusters if cluster is not None]
        tasks = tuple(task for task in self._tasks if task is not None)
        return Dataset(
            name=name,
            queries=tuple(self.queries),
            llms=llms,
            scores=_padded(self._scores, len(llms)),
            costs=costs,
            cluster_ids=np.array(clusters, dtype=np.int64) if len(clusters) == len(self.queries) else None,
            tasks=tasks if len(tasks) == len(self.queries) else None,
            metric=metric,
            skipped=skipped,
            grading=sidecar.grading,
        )


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, Malformed):
        raise _RowError(value.reason)
    if not isinstance(value, dict):
        raise _RowError(f"not an object but {kind(value)}")
    if isinstance(value, RepeatedKeys):
        raise _RowError(f"fields given twice: {', '.join(value.repeated)}")
    return value


def _question(row: dict[str, Any]) -> str:
    if "question" not in row:
        raise _RowError(f"question: missing ({missing_hint(row)})")
    question = row["question"]
    if not isinstance(question, str):
        raise _RowError(f"question: not text but {kind(question)}")
    if not question.strip():
        raise _RowError("question: empty")
    try:
        question.encode()
    except UnicodeEncodeError:
        raise _RowError("question: not valid Unicode (half of a surrogate pair)") from None
    return question


def _numbers(row: dict[str, Any], group: str, *, upper: float) -> dict[str, float | None]:
    if group not in row:
        raise _RowError(f"{group}: missing ({missing_hint(row)})")
    cells = row[group]
    if not isinstance(cells, dict):
        raise _RowError(f"{group}: not an object but {kind(cells)}: write {{LLM name: number}}")
    if isinstance(cells, RepeatedKeys):
        raise _RowError(f"{group}: LLMs named twice: {', '.join(cells.repeated)}")
    if faults := [fault for llm in cells if (fault := _fault_of(llm))]:
        raise _RowError(f"{group}: {'; '.join(faults)}")
    return {llm: _cell(group, llm, cell, upper) for llm, cell in cells.items()}


def _cell(group: str, llm: str, cell: Any, upper: float) -> float | None:
    try:
        return read_number(cell, upper)
    except GradeError as error:
        raise _RowError(f"{group}[{llm!r}]: {error}") from None


@cache
def _fault_of(llm: str) -> str | None:
    return name_fault(llm)


def _cluster(row: dict[str, Any]) -> int | None:
    cluster = row.get("cluster_id")
    if cluster is not None and (isinstance(cluster, bool) or not isinstance(cluster, int)):
        raise _RowError(f"cluster_id: not an integer but {kind(cluster)}")
    if cluster is not None and abs(cluster) >= 1 << 63:
        raise _RowError("cluster_id: beyond 64 bits")
    return cluster


def _task(row: dict[str, Any]) -> str | None:
    task = row.get("task")
    if task is not None and not isinstance(task, str):
        raise _RowError(f"task: not text but {kind(task)}")
    return task or None


def _padded(rows: list["array[float]"], width: int) -> npt.NDArray[np.float32]:
    """Rows of a table whose columns were discovered as it grew, filled up with NaN on the right."""
    table = np.full((len(rows), width), np.nan, dtype=np.float32)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table


def _priced(count: int, llms: tuple[str, ...], sidecar: Sidecar) -> npt.NDArray[np.float32] | None:
    if not sidecar.prices:
        return None
    per_query = [sidecar.prices.get(llm, math.nan) * sidecar.tokens_per_query / 1e6 for llm in llms]
    return np.tile(np.array(per_query, dtype=np.float32), (count, 1))


def _columns(table: npt.NDArray[np.float32], have: Sequence[str], want: Sequence[str]) -> npt.NDArray[np.float32]:
    padded = np.column_stack([table, np.full(len(table), np.nan, dtype=np.float32)])
    where = {llm: column for column, llm in enumerate(have)}
    return padded[:, [where.get(llm, len(have)) for llm in want]]


def _read_sidecar(path: Path | None) -> Sidecar:
    if path is None:
        return Sidecar()
    try:
        return load_yaml_model(Sidecar, path)
    except YamlError as error:
        raise DataError(str(error)) from None


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
