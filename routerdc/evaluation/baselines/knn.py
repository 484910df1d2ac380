"""k nearest neighbours: an LLM's score is its mean quality on the k most similar training queries."""

from collections.abc import Sequence

from sklearn.neighbors import NearestNeighbors

from routerdc.evaluation.baselines.training_rows import TrainingRows, masked_mean
from routerdc.evaluation.measures.references import Embed
from routerdc.evaluation.measures.selection import Floats, Scorer

NEIGHBOURS = 300


def knn(rows: TrainingRows, embed: Embed, neighbours: int = NEIGHBOURS) -> Scorer:
    """Similarity is the cosine. With few training rows at most a quarter of them are neighbours."""
    index = NearestNeighbors(n_neighbors=max(1, min(neighbours, len(rows.features) // 4)), metric="cosine")
    index.fit(rows.features)
    overall = rows.mean()

    def score(queries: Sequence[str]) -> Floats:
        nearest = index.kneighbors(embed(queries), return_distance=False)
        return masked_mean(rows.quality[nearest], overall)

    return score
