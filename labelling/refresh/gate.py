"""The gate: a new bundle is let through if it is not worse than the one in use, on rows that taught neither round.

Both choose on the same held-out rows, and the differences are resampled row by row (paired bootstrap). Let through
means: the lower end of the 95 % interval of the difference is not below the tolerance. So a bundle that is worse is
stopped even where the average hides it, and with too few rows nothing passes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labelling.errors import RefreshError
from routerdc.data.dataset import Dataset
from routerdc.evaluation.measures.bootstrap import interval, resampled_means

FEWEST_ROWS = 50
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Contender:
    """A bundle that chooses. `score`: queries → (n, n_llms) in the order of `llms`."""

    llms: Sequence[str]
    score: Callable[[Sequence[str]], Floats]


@dataclass(frozen=True)
class Verdict:
    """Mean qualities of the choices, their difference with its interval, and whether the new bundle may pass."""

    new: float
    in_use: float
    difference: float
    low: float
    high: float
    rows: int
    passed: bool


def of_bundle(folder: Path) -> Contender:
    """The bundle in a folder. Features that training has computed are not computed again."""
    from routerdc.evaluation.loading import subject

    found = subject(folder)
    return Contender(found.llm_names, found.score)


def judge(new: Contender, in_use: Contender, rows: Dataset, tolerance: float) -> Verdict:
    """Compares two bundles on the rows that may judge (`Dataset.judges`) where the quality of both choices is known.

    Raises:
        RefreshError: these are too few to tell.
    """
    rows = rows.judging()
    pairs = np.stack([_quality(new, rows), _quality(in_use, rows)], axis=1)
    pairs = pairs[~np.isnan(pairs).any(axis=1)]
    if len(pairs) < FEWEST_ROWS:
        raise RefreshError(
            f"the gate: both choices are graded on {len(pairs)} held-out rows, at least {FEWEST_ROWS} are needed"
        )
    difference = pairs[:, :1] - pairs[:, 1:]
    found = interval(resampled_means(difference)[:, 0])
    means = pairs.mean(axis=0)
    return Verdict(
        float(means[0]),
        float(means[1]),
        float(difference.mean()),
        found.low,
        found.high,
        len(pairs),
        found.low >= -tolerance,
    )


def _quality(contender: Contender, rows: Dataset) -> npt.NDArray[np.float64]:
    """(n,) quality of what the contender chooses among its LLMs; NaN where it is not graded."""
    choice = contender.score(rows.queries).argmax(axis=1)
    quality = rows.aligned(contender.llms).quality()
    return np.asarray(quality[np.arange(len(rows)), choice], dtype=np.float64)
