"""Rows of a file, checked cell by cell and gathered into a data set.

A row is `{"question": text, "scores": {LLM: grade in [0, 1] or null}, "costs": {LLM: dollars} (optional),
"cluster_id": integer (optional), "task": text (optional), "steered": true (optional)}`. How grades may be written:
`routerdc.data.formats.grades`.
"""

import math
from array import array
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from routerdc.data.dataset import BadRow, Dataset, Metric
from routerdc.data.formats.columns import missing_hint
from routerdc.data.formats.grades import GradeError, kind, read_number
from routerdc.data.formats.rows import Malformed, RepeatedKeys, Row
from routerdc.data.sidecar import Sidecar
from routerdc_contract.names import name_fault

DEAREST_DOLLARS = 1e6  # a query: whatever is above is another unit


class RowError(ValueError):
    """The reason why one row is bad."""


class Table:
    """Rows gathered column by column, compactly: 4 bytes a score."""

    def __init__(self) -> None:
        self.queries: list[str] = []
        self._llms: dict[str, int] = {}
        self._scores: list[array[float]] = []
        self._costs: list[array[float]] = []
        self._clusters: list[int | None] = []
        self._tasks: list[str | None] = []
        self._steered: list[bool] = []

    def add(self, row: Row) -> None:
        """Takes one row in; a row that is refused leaves the table as it was.

        Raises:
            RowError: the row cannot be used; the message names the field.
        """
        value = _object(row.value)
        question = _question(value)
        scores = _numbers(value, "scores", upper=1.0)
        if not any(number is not None for number in scores.values()):
            raise RowError("scores: none given: write {LLM name: number}, or remove the row")
        costs = _numbers(value, "costs", upper=DEAREST_DOLLARS) if value.get("costs") is not None else {}
        cluster, task, steered = _cluster(value), _task(value), _steered(value)
        self.queries.append(question)
        self._scores.append(self._packed(scores))
        self._costs.append(self._packed(costs) if costs else array("f"))
        self._clusters.append(cluster)
        self._tasks.append(task)
        self._steered.append(steered)

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
            steered=np.array(self._steered) if any(self._steered) else None,
            metric=metric,
            skipped=skipped,
            grading=sidecar.grading,
        )


def _object(value: Any) -> dict[str, Any]:
    if isinstance(value, Malformed):
        raise RowError(value.reason)
    if not isinstance(value, dict):
        raise RowError(f"not an object but {kind(value)}")
    if isinstance(value, RepeatedKeys):
        raise RowError(f"fields given twice: {', '.join(value.repeated)}")
    return value


def _question(row: dict[str, Any]) -> str:
    if "question" not in row:
        raise RowError(f"question: missing ({missing_hint(row)})")
    question = row["question"]
    if not isinstance(question, str):
        raise RowError(f"question: not text but {kind(question)}")
    if not question.strip():
        raise RowError("question: empty")
    try:
        question.encode()
    except UnicodeEncodeError:
        raise RowError("question: not valid Unicode (half of a surrogate pair)") from None
    return question


def _numbers(row: dict[str, Any], group: str, *, upper: float) -> dict[str, float | None]:
    if group not in row:
        raise RowError(f"{group}: missing ({missing_hint(row)})")
    cells = row[group]
    if not isinstance(cells, dict):
        raise RowError(f"{group}: not an object but {kind(cells)}: write {{LLM name: number}}")
    if isinstance(cells, RepeatedKeys):
        raise RowError(f"{group}: LLMs named twice: {', '.join(cells.repeated)}")
    if faults := [fault for llm in cells if (fault := _fault_of(llm))]:
        raise RowError(f"{group}: {'; '.join(faults)}")
    return {llm: _cell(group, llm, cell, upper) for llm, cell in cells.items()}


def _cell(group: str, llm: str, cell: Any, upper: float) -> float | None:
    try:
        return read_number(cell, upper)
    except GradeError as error:
        raise RowError(f"{group}[{llm!r}]: {error}") from None


@cache
def _fault_of(llm: str) -> str | None:
    return name_fault(llm)


def _cluster(row: dict[str, Any]) -> int | None:
    cluster = row.get("cluster_id")
    if cluster is not None and (isinstance(cluster, bool) or not isinstance(cluster, int)):
        raise RowError(f"cluster_id: not an integer but {kind(cluster)}")
    if cluster is not None and abs(cluster) >= 1 << 63:
        raise RowError("cluster_id: beyond 64 bits")
    return cluster


def _task(row: dict[str, Any]) -> str | None:
    task = row.get("task")
    if task is not None and not isinstance(task, str):
        raise RowError(f"task: not text but {kind(task)}")
    return task or None


def _steered(row: dict[str, Any]) -> bool:
    steered = row.get("steered")
    if steered is not None and not isinstance(steered, bool):
        raise RowError(f"steered: not true or false but {kind(steered)}")
    return bool(steered)


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
