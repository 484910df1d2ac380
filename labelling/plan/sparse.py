"""Whom to ask which prompts while there are no grades: all LLMs, on prompts that represent the rest.

LLMs are compared on the same prompts: what is easy or hard about a prompt then falls out of the difference, which is
all that a choice depends on. Beside random cells that was worth 0.8 points on one pool and nothing on another
(docs/benchmarks/labelling.md). With grades, `labelling.plan.contested` goes on from there.
"""

import numpy as np
import numpy.typing as npt

from labelling.plan.coverage import Ints, spread

Cells = list[tuple[int, int]]


def plan(clusters: Ints, asked: npt.NDArray[np.bool_], count: int, seed: int = 0) -> Cells:
    """At most `count` further (row, LLM) cells, best first: rows that are begun are completed, then new ones.

    Args:
        clusters: (n,) the kind of each prompt; every beginning of the new rows holds the kinds in proportion.
        asked: (n, n_llms) cells that have been asked already.
        count: cells to ask beyond those.
    """
    order = spread(clusters, seed)
    begun = asked.any(axis=1)[order]
    rows = [*order[begun], *order[~begun]]
    cells = [(int(row), llm) for row in rows for llm in range(asked.shape[1]) if not asked[row, llm]]
    return cells[:count]
