"""Clusters of prompts, and a choice of prompts that covers them."""

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans, MiniBatchKMeans

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

CLUSTERS = 8  # as many kinds as the recipe `default` tells apart


def clusters_of(features: Floats, seed: int = 0) -> Ints:
    """The kind of each prompt, (n,): k-means on the features (n, width)."""
    count = min(CLUSTERS, len(np.unique(features, axis=0)))
    return np.asarray(KMeans(count, n_init=3, random_state=seed).fit_predict(features), dtype=np.int64)


def covering(features: Floats, count: int, seed: int = 0) -> Ints:
    """Rows of `count` prompts that cover all of them: the one nearest to each of so many k-means centres, sorted."""
    if count >= len(features):
        return np.arange(len(features))
    kmeans = MiniBatchKMeans(count, n_init=1, random_state=seed, batch_size=max(1024, 3 * count)).fit(features)
    distance = np.linalg.norm(features - kmeans.cluster_centers_[kmeans.labels_], axis=1)
    order = np.lexsort((distance, kmeans.labels_))
    first = np.unique(kmeans.labels_[order], return_index=True)[1]
    chosen = set(order[first].tolist())
    rest = [row for row in np.random.default_rng(seed).permutation(len(features)).tolist() if row not in chosen]
    return np.sort(np.array([*chosen, *rest[: count - len(chosen)]], dtype=np.int64))  # empty clusters leave room


def spread(clusters: Ints, seed: int = 0) -> Ints:
    """An order of all rows whose every beginning holds the clusters in proportion, (n,)."""
    generator = np.random.default_rng(seed)
    place = np.empty(len(clusters))
    for cluster in np.unique(clusters):
        rows = generator.permutation(np.flatnonzero(clusters == cluster))
        place[rows] = (np.arange(len(rows)) + generator.random()) / len(rows)
    return np.argsort(place, kind="stable")
