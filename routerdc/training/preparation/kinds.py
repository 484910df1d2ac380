"""Kinds of queries: by the data's own `task`, else by data set, else by k-means.

What a router is worth on queries unlike its training data is measured by leaving out kinds. Does not know scores.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from routerdc.data.dataset import Dataset
from routerdc.training.preparation.clusters import kmeans_clusters

FOUND = 10
"""Kinds that k-means is asked for, where the data name none."""
FEWEST, MOST = 8, 32
"""Clusters of the sample–sample loss, whatever the number of kinds."""
Ints = npt.NDArray[np.int64]
Features = Callable[[Sequence[str]], npt.NDArray[np.float32]]


def kinds_of(datasets: Sequence[Dataset], features: Features, seed: int) -> Ints:
    """The kind of every row, (n,), in the order of the data sets; a kind lies within one data set."""
    if all(dataset.tasks is None for dataset in datasets) and len(datasets) == 1:
        return kmeans_clusters(features(datasets[0].queries), FOUND, seed)
    labels = [
        (index, task)
        for index, dataset in enumerate(datasets)
        for task in (dataset.tasks if dataset.tasks is not None else [""] * len(dataset))
    ]
    number = {label: place for place, label in enumerate(sorted(set(labels)))}
    return np.array([number[label] for label in labels], dtype=np.int64)


def cluster_count(kinds: Ints) -> int:
    """How many clusters the sample–sample loss keeps apart."""
    return int(np.clip(len(np.unique(kinds)), FEWEST, MOST))
