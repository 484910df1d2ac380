"""The next part of a sparse plan: whole rows until there are grades, then what may still change a choice."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from labelling.plan.coverage import Ints
from labelling.plan.sparse import Cells, plan

Floats = npt.NDArray[np.float32]

FEWEST_COMPARED = 20  # prompts with grades of two LLMs, as many as training demands


class Part(NamedTuple):
    """Cells by why they are asked: a choice may change by them, or they are among whole rows; best first."""

    contested: Cells
    whole: Cells

    @property
    def cells(self) -> Cells:
        """All of them, best first."""
        return self.contested + self.whole


def next_part(
    features: Floats, clusters: Ints, asked: npt.NDArray[np.bool_], grades: Floats, count: int, seed: int = 0
) -> Part:
    """At most `count` further (row, LLM) cells, best first.

    Args:
        features: (n, width) of the prompts, unit length.
        clusters: (n,) the kind of each prompt.
        asked: (n, n_llms) cells that have been asked already.
        grades: (n, n_llms) in [0, 1], NaN where unknown.
        count: cells to ask beyond those that were asked.
    """
    if not _tell(grades):
        return Part([], plan(clusters, asked, count, seed))
    from labelling.plan.contested import contested  # loads torch, which a plan without grades does not need

    cells = contested(features, grades, asked, count, seed)
    taken = asked.copy()
    for row, llm in cells:
        taken[row, llm] = True
    return Part(cells, plan(clusters, taken, count - len(cells), seed))


def _tell(grades: Floats) -> bool:
    known = ~np.isnan(grades)
    return bool(known.any(axis=0).all()) and int((known.sum(axis=1) >= 2).sum()) >= FEWEST_COMPARED
