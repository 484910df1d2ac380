"""k-means experts: the best LLM of the cluster that the query falls into."""

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans

from routerdc.evaluation.baselines.training_rows import TrainingRows, masked_mean
from routerdc.evaluation.references import Embed
from routerdc.evaluation.selection import Floats, Scorer

CLUSTERS = 8


def kmeans_experts(rows: TrainingRows, embed: Embed, clusters: int = CLUSTERS, seed: int = 0) -> Scorer:
    """Clusters of the training features (best of 10 starts); scores are mean qualities in the query's cluster."""
    kmeans = KMeans(min(clusters, len(rows.features)), n_init=10, random_state=seed).fit(rows.features)
    overall = rows.mean()
    members = [rows.quality[kmeans.labels_ == cluster] for cluster in range(kmeans.n_clusters)]
    experts = np.stack([masked_mean(quality, overall) for quality in members])

    def score(queries: Sequence[str]) -> Floats:
        return np.asarray(experts[kmeans.predict(embed(queries))])

    return score
