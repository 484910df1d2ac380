"""Data sets laid out for training: one table of queries, labels and clusters, and which rows are held out.

Does not know encoders: features come in as a function, because only some recipes need them here (clusters, shrunk
labels).
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from routerdc.data.dataset import Dataset, pool
from routerdc.training.preparation.clusters import kmeans_clusters, published_clusters
from routerdc.training.preparation.place import Place
from routerdc.training.preparation.recipe_parts import DataRecipe
from routerdc.training.preparation.smoothing import Basis, smoothed_quality
from routerdc.training.preparation.targets import Floats, shrunk_quality
from routerdc.training.preparation.templates import without_template

Ints = npt.NDArray[np.int64]
Features = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True)
class Rows:
    """`labels` is what the losses see, `quality` what happened: both (n, n_llms), NaN where unknown."""

    queries: tuple[str, ...]
    labels: Floats
    quality: Floats
    clusters: Ints
    data_set: Ints

    def __len__(self) -> int:
        return len(self.queries)

    def take(self, index: Ints) -> "Rows":
        """The rows at `index`, in that order (repeats allowed)."""
        return Rows(
            tuple(self.queries[i] for i in index),
            self.labels[index],
            self.quality[index],
            self.clusters[index],
            self.data_set[index],
        )


@dataclass(frozen=True)
class TrainingData:
    """What to learn from and what to judge by; `held_out` is empty where the recipe keeps none."""

    llms: tuple[str, ...]
    names: tuple[str, ...]
    learn: Rows
    held_out: Rows


def lay_out(datasets: Sequence[Dataset], recipe: DataRecipe, features: Features, seed: int) -> TrainingData:
    """Splits, labels and repeats rows as `recipe` says; labels of held-out rows are never looked at for targets.

    Nothing may be left to choose in `recipe` (`routerdc.training.choices`).
    """
    llms = pool(datasets)
    rows = _table([dataset.aligned(llms) for dataset in datasets], recipe.labels == "score")
    judges = np.concatenate([dataset.judges for dataset in datasets])
    held = _held_out(rows.data_set, judges, recipe.held_out, seed)
    every = np.arange(len(rows))
    learn, held_out = rows.take(every[~held]), rows.take(every[held])
    learn = _clustered(learn, datasets, every[~held], recipe, features, seed)
    if recipe.labels == "shrunk":
        targets = shrunk_quality(features(learn.queries), learn.quality, learn.clusters, seed, recipe.residuals)
        learn = _relabelled(learn, targets)
    elif recipe.labels == "smoothed":
        learn = _relabelled(learn, _smoothed(features(learn.queries), learn.quality, recipe, seed))
    if recipe.rows_per_data_set:
        learn = learn.take(_repeated(learn.data_set, recipe.rows_per_data_set, seed))
    if recipe.without_templates:
        learn = _with_bare_copies(learn)
    return TrainingData(llms, tuple(dataset.name for dataset in datasets), learn, held_out)


def data_sha256(datasets: Sequence[Dataset]) -> str:
    """Hash of all names, queries, LLMs and scores: what a bundle says it was trained on."""
    digest = hashlib.sha256()
    for dataset in datasets:
        for text in (dataset.name, *dataset.llms, *dataset.queries):
            encoded = text.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
        digest.update(np.ascontiguousarray(dataset.scores).tobytes())
    return digest.hexdigest()


def _table(datasets: Sequence[Dataset], as_scored: bool) -> Rows:
    quality = np.concatenate([dataset.quality() for dataset in datasets])
    labels = np.concatenate([dataset.scores for dataset in datasets]) if as_scored else quality
    data_set = np.repeat(np.arange(len(datasets)), [len(dataset) for dataset in datasets])
    queries = tuple(query for dataset in datasets for query in dataset.queries)
    return Rows(queries, labels, quality, data_set.copy(), data_set)


def _held_out(data_set: Ints, judges: npt.NDArray[np.bool_], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """(n,): `share` of each data set's rows, of those that may judge; of these at most half."""
    generator, held = np.random.default_rng(seed), np.zeros(len(data_set), dtype=bool)
    for one in np.unique(data_set):
        own = data_set == one
        rows = generator.permutation(np.flatnonzero(own & judges))
        held[rows[: min(round(share * own.sum()), len(rows) // 2)]] = True
    return held


def _clustered(
    learn: Rows, datasets: Sequence[Dataset], index: Ints, recipe: DataRecipe, features: Features, seed: int
) -> Rows:
    if recipe.clusters == "data_set" and len(datasets) > 1:
        return learn
    if recipe.n_clusters is None:
        raise ValueError("data.n_clusters: is chosen before rows are laid out")
    if recipe.clusters in ("data_set", "kmeans"):
        clusters = kmeans_clusters(features(learn.queries), recipe.n_clusters, seed)
    elif all(dataset.cluster_ids is not None for dataset in datasets):
        given = np.concatenate([ids for dataset in datasets if (ids := dataset.cluster_ids) is not None])
        clusters = given[index]
    else:
        clusters = published_clusters(features(learn.queries), recipe.n_clusters, seed)
    return Rows(learn.queries, learn.labels, learn.quality, clusters, learn.data_set)


def _smoothed(features: Floats, quality: Floats, recipe: DataRecipe, seed: int) -> Floats:
    if recipe.smoothing is None:
        raise ValueError("data.smoothing: is chosen before rows are laid out")
    place = Place.of(features, seed)
    return smoothed_quality(Basis.of(place(features), place.anchors), quality, recipe.smoothing)


def _relabelled(rows: Rows, labels: Floats) -> Rows:
    return Rows(rows.queries, labels, rows.quality, rows.clusters, rows.data_set)


def _repeated(data_set: Ints, count: int, seed: int) -> Ints:
    """`count` rows of each data set: a larger one loses some, a smaller one's are repeated."""
    generator, chosen = np.random.default_rng(seed), []
    for one in np.unique(data_set):
        rows = np.flatnonzero(data_set == one)
        rounds = [generator.permutation(rows) for _ in range(-(-count // len(rows)))]
        chosen.append(np.concatenate(rounds)[:count])
    return np.concatenate(chosen)


def _with_bare_copies(rows: Rows) -> Rows:
    bare = [without_template(query) for query in rows.queries]
    changed = np.array([i for i, (a, b) in enumerate(zip(rows.queries, bare, strict=True)) if a != b], dtype=np.int64)
    both = rows.take(np.concatenate([np.arange(len(rows)), changed]))
    queries = (*rows.queries, *(bare[i] for i in changed))
    return Rows(queries, both.labels, both.quality, both.clusters, both.data_set)
