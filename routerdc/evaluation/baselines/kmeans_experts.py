"""k-means experts: mean quality in the cluster that the query falls into, averaged over several clusterings.

One clustering is a matter of luck: on the paper's data, ten seeds lie between 53 and 59 in distribution. Their mean
does not move, and is the stronger baseline.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans

from routerdc.evaluation.baselines.training_rows import TrainingRows, masked_mean
from routerdc.evaluation.measures.references import Embed
from routerdc.evaluation.measures.selection import Floats, Scorer

CLUSTERS = 8
CLUSTERINGS = 10
STARTS = 3


def kmeans_experts(rows: TrainingRows, embed: Embed, clusters: int = CLUSTERS) -> Scorer:
    """Clusters of the training features, one clustering for each seed."""
    experts = [_experts(rows, min(clusters, len(rows.features)), seed) for seed in range(CLUSTERINGS)]

    def score(queries: Sequence[str]) -> Floats:
        features = embed(queries)
        means = [table[kmeans.predict(features)] for kmeans, table in experts]
        return np.asarray(np.mean(means, axis=0), dtype=np.float32)

    return score


def _experts(rows: TrainingRows, clusters: int, seed: int) -> tuple[KMeans, Floats]:
    """A clustering, and (clusters, n_llms) mean qualities."""
    kmeans = KMeans(clusters, n_init=STARTS, random_state=seed).fit(rows.features)
    members = [rows.quality[kmeans.labels_ == cluster] for cluster in range(clusters)]
    return kmeans, np.stack([masked_mean(quality, rows.mean()) for quality in members])
