"""What a new LLM would do in a pool: how often it is chosen, how good it is there, and how sure that is.

Judged on queries that it was not learned from: the scored queries are split, and each part is judged by a column that
was learned from the others. Does not know files or the command line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from routerdc.data.dataset import Dataset
from routerdc.evaluation.measures.bootstrap import Interval, interval, resampled_means
from routerdc.model import RouterModel
from routerdc.pool.change import with_llm

FOLDS = 5
FEWEST_QUERIES = 2 * FOLDS

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Newcomer:
    """Shares and qualities between 0 and 1; an interval holds 95 % of the resampled means."""

    queries: int
    share: float
    share_interval: Interval
    """how often it is chosen"""
    quality: float
    """its own, on all of the queries"""
    chosen_quality: float | None
    """its own, where it is chosen; None if it never is"""
    gain: float | None
    """of the pool's quality, over choosing without it; None where the queries have no scores of the pool's LLMs"""
    gain_interval: Interval | None

    def __str__(self) -> str:
        share = f"{self.share:.0%} ({self.share_interval.low:.0%} to {self.share_interval.high:.0%})"
        where = "" if self.chosen_quality is None else f", and {self.chosen_quality:.1%} where it is chosen"
        lines = [
            f"on {self.queries} queries that it was not learned from, it would be chosen for {share}",
            f"its quality is {self.quality:.1%} on all of them{where}",
        ]
        if self.gain is not None and self.gain_interval is not None:
            low, high = self.gain_interval.low, self.gain_interval.high
            sure = "" if self.gain_interval.excludes_zero else ": not sure yet, score more queries"
            lines.append(f"the pool's quality changes by {self.gain:+.1%} ({low:+.1%} to {high:+.1%}){sure}")
        return "\n".join(lines)


def judge(
    model: RouterModel, llms: Sequence[str], embedding: torch.Tensor, scored: Dataset, name: str, seed: int = 0
) -> Newcomer | None:
    """What the LLM `name` would do in the pool; None where there are too few scored queries to split.

    Args:
        model: the router without the LLM.
        llms: names of its columns.
        embedding: (n, dim), the model's embeddings of `scored.queries`.
        scored: has scores of `name`.
        seed: of the split.
    """
    known = np.flatnonzero(~np.isnan(scored.aligned([name]).quality()[:, 0]))
    if len(known) < FEWEST_QUERIES:
        return None
    parts = np.array_split(np.random.default_rng(seed).permutation(known), FOLDS)
    chosen = np.concatenate([_chosen(model, llms, embedding, scored, name, known, part) for part in parts])
    rows = np.concatenate(parts)
    quality = scored.aligned([*llms, name]).quality().astype(np.float64)[rows]
    before = model.score(embedding[torch.from_numpy(rows)]).detach().numpy().argmax(axis=1)
    return _newcomer(quality, chosen, before)


def _chosen(
    model: RouterModel,
    llms: Sequence[str],
    embedding: torch.Tensor,
    scored: Dataset,
    name: str,
    known: npt.NDArray[np.int64],
    part: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Columns chosen for the queries `part`, (len(part),), by a router that learned `name` from the others."""
    rest = np.setdiff1d(known, part)
    changed, _ = with_llm(model, llms, embedding[torch.from_numpy(rest)], scored.select(rest), name)
    chosen: npt.NDArray[np.int64] = changed.score(embedding[torch.from_numpy(part)]).detach().numpy().argmax(axis=1)
    return chosen


def _newcomer(quality: Floats, chosen: npt.NDArray[np.int64], before: npt.NDArray[np.int64]) -> Newcomer:
    """From the queries' qualities (n, LLMs, the new one last), and the columns chosen with it and without."""
    own, is_chosen, rows = quality[:, -1], chosen == quality.shape[1] - 1, np.arange(len(quality))
    difference = quality[rows, chosen] - quality[rows, before]
    gained = difference[~np.isnan(difference)]
    is_compared = len(gained) == len(quality)
    return Newcomer(
        queries=len(quality),
        share=float(is_chosen.mean()),
        share_interval=_interval(is_chosen.astype(np.float64)),
        quality=float(own.mean()),
        chosen_quality=float(own[is_chosen].mean()) if is_chosen.any() else None,
        gain=float(gained.mean()) if is_compared else None,
        gain_interval=_interval(gained) if is_compared else None,
    )


def _interval(values: Floats) -> Interval:
    return interval(resampled_means(values[:, None])[:, 0])
