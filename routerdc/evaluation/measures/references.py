"""Contenders that need no router: single LLMs, experts chosen per data set, chance and the oracle.

"Chosen on train" looks at the training data alone; hindsight and oracle look at the test scores and are bounds.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from routerdc.data.dataset import Dataset
from routerdc.evaluation.measures.selection import Contender, Floats, nan_mean
from routerdc.training.preparation.effects import additive_effects

Embed = Callable[[Sequence[str]], Floats]
"""queries → (n, dim) float32, unit length"""


def single_llm(column: int) -> Contender:
    """Always the LLM in this column."""
    return partial(_only, column=column)


def best_single(train: Sequence[Dataset]) -> int:
    """Column of the LLM with the largest quality on the average row, every training set weighing the same.

    LLMs are compared on the rows that they share, so one that was graded on easy rows alone does not look the best. The
    data sets have the same columns.
    """
    quality = np.concatenate([dataset.quality() for dataset in train])
    weights = np.concatenate([np.full(len(dataset), 1 / len(dataset)) for dataset in train])
    return int(np.nanargmax(additive_effects(quality, weights).llm))


def mean_quality(dataset: Dataset) -> npt.NDArray[np.float64]:
    """(n_llms,) mean over the rows where the LLM's score is known; NaN for an LLM without any."""
    return nan_mean(dataset.quality())


def dataset_expert(train: Sequence[Dataset], embed: Embed) -> Contender:
    """The best LLM of the training set of that name; of the training set with the nearest centroid for a new name."""
    experts = [int(np.nanargmax(mean_quality(dataset))) for dataset in train]
    centroids = np.stack([embed(dataset.queries).mean(axis=0) for dataset in train])
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    names = [dataset.name for dataset in train]

    def score(dataset: Dataset) -> Floats:
        if dataset.name in names:
            nearest = names.index(dataset.name)
        else:
            nearest = int(np.argmax(centroids @ embed(dataset.queries).mean(axis=0)))
        return _only(dataset, column=experts[nearest])

    return score


def hindsight_expert(dataset: Dataset) -> Floats:
    """The LLM that turns out best on this very data set."""
    return _only(dataset, column=int(np.nanargmax(mean_quality(dataset))))


def random_llm(dataset: Dataset) -> Floats:
    """Any LLM with equal chances."""
    return np.zeros(dataset.scores.shape, dtype=np.float32)


def oracle(dataset: Dataset) -> Floats:
    """For every query an LLM that answers it best."""
    return np.nan_to_num(dataset.quality(), nan=-np.inf)


def _only(dataset: Dataset, column: int) -> Floats:
    scores = np.full(dataset.scores.shape, -np.inf, dtype=np.float32)
    scores[:, column] = 1.0
    return scores
