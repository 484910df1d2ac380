"""k nearest neighbours: an LLM's score is its mean quality on the k most similar training queries."""

from collections.abc import Sequence

import numpy as np
from sklearn.neighbors import NearestNeighbors

from routerdc.evaluation.baselines.training_rows import TrainingRows, masked_mean
from routerdc.evaluation.measures.references import Embed
from routerdc.evaluation.measures.selection import Floats, Scorer

NEIGHBOURS = 300
NEAR_NEIGHBOURS = 50
PRIOR_WEIGHT = 5.0
"""How many perfectly similar neighbours the mean over all rows weighs as much as."""


def knn(rows: TrainingRows, embed: Embed, neighbours: int = NEIGHBOURS) -> Scorer:
    """Similarity is the cosine. With few training rows at most a quarter of them are neighbours."""
    index = _index(rows, neighbours)
    overall = rows.mean()

    def score(queries: Sequence[str]) -> Floats:
        nearest = index.kneighbors(embed(queries), return_distance=False)
        return masked_mean(rows.quality[nearest], overall)

    return score


def knn_with_prior(rows: TrainingRows, embed: Embed, neighbours: int = NEAR_NEIGHBOURS) -> Scorer:
    """Neighbours weigh by their similarity, and the mean over all rows weighs as a few neighbours do.

    So a query that is far from all rows gets the best single LLM.
    """
    index = _index(rows, neighbours)
    overall = rows.mean()

    def score(queries: Sequence[str]) -> Floats:
        distance, nearest = index.kneighbors(embed(queries))
        quality = rows.quality[nearest]
        weight = np.where(np.isnan(quality), 0.0, np.maximum(1 - distance, 0)[:, :, None])
        total = (weight * np.nan_to_num(quality)).sum(axis=1) + PRIOR_WEIGHT * overall
        return np.asarray(total / (weight.sum(axis=1) + PRIOR_WEIGHT), dtype=np.float32)

    return score


def _index(rows: TrainingRows, neighbours: int) -> NearestNeighbors:
    index = NearestNeighbors(n_neighbors=max(1, min(neighbours, len(rows.features) // 4)), metric="cosine")
    return index.fit(rows.features)
