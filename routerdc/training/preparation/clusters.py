"""Clusters of queries, computed where the data brings none.

As published (section 3.3): the encoder's embeddings, reduced by t-SNE to two dimensions, k-means on those. Does not
know scores.
"""

import numpy as np
import numpy.typing as npt

TSNE_PERPLEXITY = 30.0


def published_clusters(features: npt.NDArray[np.float32], count: int, seed: int) -> npt.NDArray[np.int64]:
    """Cluster of every row, (n,): t-SNE to two dimensions, then k-means. `features`: (n, width)."""
    from sklearn.manifold import TSNE

    perplexity = min(TSNE_PERPLEXITY, (len(features) - 1) / 3)  # t-SNE wants fewer neighbours than rows
    plane = TSNE(n_components=2, perplexity=perplexity, random_state=seed).fit_transform(features)
    return kmeans_clusters(plane, count, seed)


def kmeans_clusters(features: npt.NDArray[np.float32], count: int, seed: int) -> npt.NDArray[np.int64]:
    """Cluster of every row, (n,), by k-means; no more clusters than rows."""
    from sklearn.cluster import KMeans

    found = KMeans(min(count, len(features)), n_init=4, random_state=seed).fit_predict(features)
    return np.asarray(found, dtype=np.int64)
