"""Data sets of graded answers: how well every LLM of a pool answered every query, by the LLM's *name*.

Missing scores are NaN, never zero. How they come from files: `routerdc.data.loading`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from routerdc.data.formats.rows import DataError

FEWEST_JUDGES = 50  # rows


class Metric(Enum):
    """What a score says (paper, section 4.1 and its released evaluator)."""

    PROBABILITY = "probability"
    """Probability of the right option, 0 where the LLM is wrong: any score above 0 is correct."""
    PASS_RATE = "pass_rate"  # noqa: S105 - not a password
    """Share of sampled answers that are right: the score is the quality."""


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used, and why."""

    path: Path
    row: int
    line: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.path}{f':{self.line}' if self.line else ''}: row {self.row}: {self.reason}"


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
    steered: npt.NDArray[np.bool_] | None = None
    """(n,) rows whose grades have steered a plan, or whose LLMs it chose by such grades; None: there is none"""
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

    @property
    def judges(self) -> npt.NDArray[np.bool_]:
        """(n,) rows that may judge: those that no plan has mixed up with others, or all where these are too few.

        By the grades of some rows a plan has chosen whom to ask on others. What is learned from those others knows
        something of the first, and who was not asked on them is not seen to lose.
        """
        every = np.ones(len(self), dtype=bool)
        return every if self.steered is None or (~self.steered).sum() < FEWEST_JUDGES else ~self.steered

    @property
    def judges_fairly(self) -> bool:
        """Whether no row judges that a plan has mixed up with others."""
        return self.steered is None or not bool((self.steered & self.judges).any())

    def judging(self) -> Self:
        """The rows that may judge."""
        return self if self.judges.all() else self.select(self.judges)

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
            steered=None if self.steered is None else self.steered[index],
        )

    def aligned(self, llms: Sequence[str]) -> Self:
        """The same rows with exactly the columns `llms`; an LLM that this data set does not know is all NaN."""
        return replace(
            self,
            llms=tuple(llms),
            scores=_columns(self.scores, self.llms, llms),
            costs=None if self.costs is None else _columns(self.costs, self.llms, llms),
        )


def steering_notes(datasets: Iterable[Dataset]) -> list[str]:
    """What a reader of figures must know of rows that a plan has mixed up (`Dataset.judges`)."""
    notes = []
    for dataset in datasets:
        if dataset.steered is None:
            continue
        count, why = int(dataset.steered.sum()), "have steered a plan, or it chose by such grades whom to ask"
        if not dataset.judges_fairly:
            mend = f"ask all LLMs at least {FEWEST_JUDGES} further prompts, and those judge alone"
            notes.append(f"{dataset.name}: the grades of {count} rows {why}, and they judge all the same: {mend}")
        else:
            notes.append(f"{dataset.name}: {count} rows teach and do not judge: their grades {why}")
    return notes


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


def _columns(table: npt.NDArray[np.float32], have: Sequence[str], want: Sequence[str]) -> npt.NDArray[np.float32]:
    padded = np.column_stack([table, np.full(len(table), np.nan, dtype=np.float32)])
    where = {llm: column for column, llm in enumerate(have)}
    return padded[:, [where.get(llm, len(have)) for llm in want]]
