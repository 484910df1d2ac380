"""Which LLMs to ask which prompts, when not everything can be asked.

LLMs are compared on the same prompts: what is easy or hard about a prompt then falls out of the difference, which is
all that a choice depends on. So the first round asks *all* LLMs, on prompts that represent every cluster. When
grades are there, later rounds ask, cluster by cluster, only the LLMs that may still be the best there, and most where
the choice is most open for its price: the expected loss of choosing now (the value of perfect information), times
the cluster's share of the prompts, divided by what its contenders cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labelling.plan.coverage import Ints, spread

Table = npt.NDArray[np.float64]
Cells = list[tuple[int, int]]
DRAWS = 512
CONTENDER = 0.002
"""Least probability of being the best in its cluster that keeps an LLM in the race there."""
PRIOR_ROWS = 4.0
"""How many rows' worth of belief an LLM's mean over all clusters is in each cluster."""


@dataclass(frozen=True)
class Known:
    """What has been asked, (n, n_llms) bool, and graded: (n, n_llms), NaN where it is not."""

    asked: npt.NDArray[np.bool_]
    quality: Table


def plan(clusters: Ints, known: Known, prices: Sequence[float], count: int, seed: int = 0) -> Cells:
    """At most `count` further (row, LLM) cells, best first.

    Args:
        clusters: (n,) the kind of each prompt.
        prices: expected dollars an answer, by LLM; all 0: every cell costs the same.
        count: cells to ask beyond those that are asked already.
    """
    order = spread(clusters, seed)
    if np.isnan(known.quality).all():
        return _rows(order, known, range(known.asked.shape[1]))[:count]
    price = np.asarray(prices, dtype=np.float64)
    price = price if price.sum() > 0 else np.ones_like(price)
    return _by_value(order, clusters, known, price, count, seed)


def _rows(order: Ints, known: Known, llms: Sequence[int] | range) -> Cells:
    """Rows whole, in `order`: all of `llms` that have not been asked yet."""
    return [(int(row), int(llm)) for row in order for llm in llms if not known.asked[row, llm]]


def _by_value(order: Ints, clusters: Ints, known: Known, price: Table, count: int, seed: int) -> Cells:
    """Cells of each cluster's contenders, dealt out in proportion to what knowing more there is worth."""
    queues, weights = [], []
    for cluster in np.unique(clusters):
        rows = order[clusters[order] == cluster]
        best, regret = race(known.quality, known.quality[rows], seed)
        contenders = np.flatnonzero(best >= CONTENDER)
        queue = _rows(rows, known, contenders.tolist())
        if len(contenders) > 1 and queue:
            queues.append((queue, len(contenders)))
            weights.append(len(rows) * regret / price[contenders].mean())
    cells = _dealt(queues, np.sqrt(np.array(weights)), count)
    chosen = set(cells)
    everything = (cell for cell in _rows(order, known, range(len(price))) if cell not in chosen)
    return [*cells, *(cell for _, cell in zip(range(count - len(cells)), everything, strict=False))]


def _dealt(queues: list[tuple[Cells, int]], weights: Table, count: int) -> Cells:
    """Whole rows of the queues in turn, each as often as its weight says."""
    dealt: Cells = []
    given = np.zeros(len(queues))
    places = [0] * len(queues)
    while len(dealt) < count and any(place < len(queue) for place, (queue, _) in zip(places, queues, strict=True)):
        open_ = [place < len(queue) for place, (queue, _) in zip(places, queues, strict=True)]
        turn = int(np.argmin(np.where(open_, given / np.maximum(weights, 1e-9), np.inf)))
        queue, width = queues[turn]
        dealt += queue[places[turn] : places[turn] + width]
        places[turn] += width
        given[turn] += width
    return dealt[:count]


def race(overall: Table, quality: Table, seed: int = 0) -> tuple[Table, float]:
    """P(best) of each LLM, (n_llms,), and the expected loss of choosing the one that looks best now.

    Args:
        overall: (n, n_llms) grades of all clusters; an LLM's mean there is what is believed before.
        quality: (rows, n_llms) grades in this cluster.
    """
    counts = (~np.isnan(quality)).sum(axis=0)
    everywhere = _mean(overall, np.full(overall.shape[1], 0.5), 1.0)
    mean = _mean(quality, everywhere, PRIOR_ROWS)
    deviation = np.sqrt(np.maximum(mean * (1 - mean), 0.02) / (counts + PRIOR_ROWS))
    draws = np.random.default_rng(seed).normal(mean, deviation, size=(DRAWS, len(mean)))
    best = np.bincount(draws.argmax(axis=1), minlength=len(mean)) / DRAWS
    return best, float(draws.max(axis=1).mean() - draws[:, mean.argmax()].mean())


def _mean(quality: Table, prior: Table, weight: float) -> Table:
    counts = (~np.isnan(quality)).sum(axis=0)
    return np.asarray((np.nansum(quality, axis=0) + weight * prior) / (counts + weight))
