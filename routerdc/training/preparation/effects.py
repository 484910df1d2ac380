"""How good each LLM is, and how hard each row, fitted together: scores that are missing not at random mislead nobody.

The additive model quality[i, j] = llm[j] - difficulty[i] + noise is solved by least squares over the known pairs alone
(a two-way analysis of variance). An LLM graded only on easy rows is compared with the others on those rows, so it does
not look better than it is. On a complete table `llm` is the mean of each column.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from routerdc.data.dataset import Dataset, pool
from routerdc.data.formats.rows import DataError

FEWEST_GRADES = 50
"""An LLM with fewer graded rows is left out of training, if another LLM of the pool has more than twice as many."""
FEWEST_ROWS = 20
"""With fewer, one held-out row would judge the router, and folds of the others would be empty."""
Floats = npt.NDArray[np.float32]


class Effects(NamedTuple):
    """`llm`: (n_llms,) expected quality on the average row, NaN without any grade; `ease`: (n,), on average 0."""

    llm: npt.NDArray[np.float64]
    ease: npt.NDArray[np.float64]

    @property
    def expected(self) -> npt.NDArray[np.float64]:
        """(n, n_llms): what the two effects together say."""
        return self.llm[None, :] + self.ease[:, None]


def additive_effects(quality: Floats, weights: npt.NDArray[Any] | None = None) -> Effects:
    """Fits both effects; a row without any grade has ease 0.

    Args:
        quality: (n, n_llms), NaN where unknown.
        weights: (n,) of the rows; None: all weigh the same.
    """
    known = ~np.isnan(quality)
    graded, rows = known.any(axis=0), known.any(axis=1)
    values, share = quality[np.ix_(rows, graded)].astype(np.float64), known[np.ix_(rows, graded)].astype(np.float64)
    of_row = np.ones(len(values)) if weights is None else weights[rows].astype(np.float64)
    weight = share * of_row[:, None]
    share /= share.sum(axis=1, keepdims=True)
    row_mean = np.nanmean(values, axis=1)
    normal = np.diag(weight.sum(axis=0)) - weight.T @ share
    deviation = (weight * np.nan_to_num(values - row_mean[:, None])).sum(axis=0)
    contrast = np.linalg.lstsq(normal, deviation, rcond=1e-10)[0]
    ease = row_mean - share @ contrast
    llm = np.full(quality.shape[1], np.nan)
    level = np.average(ease, weights=of_row)
    llm[graded] = contrast + level
    every = np.zeros(len(quality))
    every[rows] = ease - level
    return Effects(llm, every)


def without_ungraded(datasets: Sequence[Dataset]) -> tuple[list[Dataset], dict[str, int]]:
    """The data sets without the LLMs that have too few grades (`FEWEST_GRADES`), and those LLMs with their counts."""
    llms = pool(datasets)
    known = np.sum([(~np.isnan(dataset.aligned(llms).scores)).sum(axis=0) for dataset in datasets], axis=0)
    enough = min(FEWEST_GRADES, int(known.max()) // 2)
    left_out = {llm: int(count) for llm, count in zip(llms, known, strict=True) if count < enough}
    if not left_out:
        return list(datasets), {}
    kept = [dataset.aligned([llm for llm in dataset.llms if llm not in left_out]) for dataset in datasets]
    some = [~np.isnan(dataset.scores).all(axis=1) if dataset.llms else np.zeros(len(dataset), bool) for dataset in kept]
    parts = [dataset.select(rows) for dataset, rows in zip(kept, some, strict=True) if rows.any()]
    return [replace(part) for part in parts], left_out


def require_rows(datasets: Sequence[Dataset]) -> None:
    """Refuses data from which nothing can be learned and still be judged.

    Raises:
        DataError: there are fewer than `FEWEST_ROWS` rows, or fewer than two LLMs.
    """
    if len(llms := pool(datasets)) < 2:
        raise DataError(
            f"enough grades of one LLM alone, {llms[0]}: a router chooses among two or more; grade others, too"
        )
    if (rows := sum(map(len, datasets))) < FEWEST_ROWS:
        raise DataError(
            f"{rows} graded rows are too few to train and judge a router: grade at least {FEWEST_ROWS} "
            "(a few hundred are worth it), or make a bundle without training by `routerdc prior`"
        )
