"""One contender on all test sets: what it earns on every row, and whom it chooses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from routerdc.data.dataset import Dataset
from routerdc.data.formats.rows import DataError
from routerdc.evaluation.measures.selection import Contender, Scorer, earned, nan_mean, selection

Kind = Literal["router", "baseline", "reference", "llm", "bound"]
IN_DISTRIBUTION, OUT_OF_DISTRIBUTION = "in distribution", "out of distribution"


@dataclass(frozen=True)
class EvalSet:
    """A test set with the router's columns; `group` is in distribution if a training set has the same name."""

    dataset: Dataset
    group: str

    @property
    def name(self) -> str:
        """The data set's."""
        return self.dataset.name


@dataclass(frozen=True)
class Judged:
    """`quality[set]`: (n,) earned on each row, NaN where nothing could be chosen; `shares[set]`: (n_llms,), sum 1."""

    name: str
    kind: Kind
    quality: dict[str, npt.NDArray[np.float64]]
    shares: dict[str, npt.NDArray[np.float64]]

    def mean(self, names: Sequence[str]) -> float:
        """Mean quality, every data set weighing the same."""
        return float(np.mean([nan_mean(self.quality[name]) for name in names]))

    def share(self, names: Sequence[str]) -> npt.NDArray[np.float64]:
        """(n_llms,) mean shares, every data set weighing the same."""
        return np.asarray(np.mean([self.shares[name] for name in names], axis=0))


def judge(name: str, kind: Kind, contender: Contender, sets: Sequence[EvalSet]) -> Judged:
    """Lets a contender choose on every test set."""
    quality, shares = {}, {}
    for test in sets:
        truth = test.dataset.quality()
        chosen = selection(contender(test.dataset), ~np.isnan(truth))
        quality[test.name] = earned(chosen, truth)
        shares[test.name] = chosen.mean(axis=0, dtype=np.float64)
    return Judged(name, kind, quality, shares)


def by_queries(scorer: Scorer) -> Contender:
    """A contender that sees nothing but the queries."""
    return lambda dataset: scorer(dataset.queries)


def prepare_sets(test: Sequence[Dataset], train: Sequence[Dataset], llms: Sequence[str]) -> list[EvalSet]:
    """Test sets with exactly the columns `llms`, in distribution first; without rows that may not judge, or cannot.

    Raises:
        DataError: two test sets have one name, or one knows too few of the LLMs.
    """
    names = [dataset.name for dataset in test]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"test sets with one name: {', '.join(twice)}: set `name` in a .yaml beside one of the files")
    trained = {dataset.name for dataset in train}
    groups = [IN_DISTRIBUTION if dataset.name in trained else OUT_OF_DISTRIBUTION for dataset in test]
    known = [aligned(dataset.judging(), llms, least_known=2) for dataset in test]
    sets = [EvalSet(dataset, group) for dataset, group in zip(known, groups, strict=True)]
    return sorted(sets, key=lambda test: test.group)


def aligned(dataset: Dataset, llms: Sequence[str], least_known: int = 1) -> Dataset:
    """The data set with exactly the columns `llms`, without the rows that know fewer than `least_known` of them.

    Raises:
        DataError: no row is left.
    """
    columns = dataset.aligned(llms)
    known = (~np.isnan(columns.scores)).sum(axis=1) >= min(least_known, len(llms))
    if not known.any():
        raise DataError(f"{dataset.name}: no row knows enough of the router's LLMs ({', '.join(llms)})")
    return columns if known.all() else columns.select(known)


def without_llm(test: EvalSet, column: int) -> EvalSet:
    """The same test set as if one LLM had left the pool."""
    scores = test.dataset.scores.copy()
    scores[:, column] = np.nan
    return replace(test, dataset=replace(test.dataset, scores=scores))
