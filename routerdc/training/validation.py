"""How good a recipe is, from training data alone: choices between recipes are made here, never on a test set.

Two questions. Cross-validation: queries like those it learned from. Leave-one-data-set-out: queries like none of them,
which is what a test set of another domain will ask. For recipes with a frozen encoder, which train in seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from routerdc.data.dataset import Dataset, pool
from routerdc.training.encoder import Encoder, open_encoder
from routerdc.training.fit import fit
from routerdc.training.judging.judge import graded_choice, per_data_set
from routerdc.training.preparation.clusters import kmeans_clusters
from routerdc.training.preparation.rows import Ints
from routerdc.training.preparation.targets import Floats
from routerdc.training.recipe import Recipe


@dataclass(frozen=True)
class Validation:
    """Quality of the choices by data set, in [0, 1], and its mean over them."""

    by_data_set: dict[str, float]

    @property
    def average(self) -> float:
        """The mean over the data sets."""
        return float(np.mean(list(self.by_data_set.values())))


def cross_validated(
    datasets: Sequence[Dataset], recipe: Recipe, seed: int, folds: int = 5, encoder: Encoder | None = None
) -> Validation:
    """Every row is judged by a router that has not seen it; `seed` decides the folds too."""
    encoder = encoder or open_encoder(recipe.encoder)
    fold_of = [np.random.default_rng(seed).permutation(len(dataset)) % folds for dataset in datasets]
    return _judged_by_folds(datasets, recipe, seed, fold_of, encoder)


def leave_kinds_out(
    datasets: Sequence[Dataset], recipe: Recipe, seed: int, kinds: int = 5, encoder: Encoder | None = None
) -> Validation:
    """Every row is judged by a router that has seen its data set, but no query of its kind (k-means cluster in it)."""
    encoder = encoder or open_encoder(recipe.encoder)
    fold_of = [kmeans_clusters(encoder.features(dataset.queries), kinds, seed) for dataset in datasets]
    return _judged_by_folds(datasets, recipe, seed, fold_of, encoder)


def _judged_by_folds(
    datasets: Sequence[Dataset], recipe: Recipe, seed: int, fold_of: Sequence[Ints], encoder: Encoder
) -> Validation:
    earned = [np.full(len(dataset), np.nan) for dataset in datasets]
    for fold in range(max(int(part.max()) for part in fold_of) + 1):
        learn = [dataset.select(part != fold) for dataset, part in zip(datasets, fold_of, strict=True)]
        judged = [dataset.select(part == fold) for dataset, part in zip(datasets, fold_of, strict=True)]
        choices = _trained_scores(learn, judged, recipe, seed, encoder)
        for index, (dataset, scores) in enumerate(zip(judged, choices, strict=True)):
            quality = dataset.aligned(pool(datasets)).quality()
            earned[index][fold_of[index] == fold] = graded_choice(scores, quality)
    means = {
        dataset.name: float(np.nanmean(part[dataset.judges])) for dataset, part in zip(datasets, earned, strict=True)
    }
    return Validation(means)


def leave_one_out(datasets: Sequence[Dataset], recipe: Recipe, seed: int, encoder: Encoder | None = None) -> Validation:
    """Every data set is judged by a router that learned from the others only."""
    encoder = encoder or open_encoder(recipe.encoder)
    llms, quality = pool(datasets), {}
    for left_out in datasets:
        others = [dataset for dataset in datasets if dataset is not left_out]
        (scores,) = _trained_scores(others, [left_out], recipe, seed, encoder)
        earned = graded_choice(scores, left_out.aligned(llms).quality())[left_out.judges]
        quality[left_out.name] = per_data_set(earned, np.zeros(len(earned)))[0]
    return Validation(quality)


def _trained_scores(
    learn: Sequence[Dataset], judged: Sequence[Dataset], recipe: Recipe, seed: int, encoder: Encoder
) -> list[Floats]:
    llms = pool([*learn, *judged])
    if not recipe.optimizer.evaluate_every:
        recipe = recipe.changed(data={"held_out": 0.0})  # the same router: held-out rows would only calibrate it
    model = fit([dataset.aligned(llms) for dataset in learn], recipe, seed, encoder=encoder).model
    with torch.no_grad():
        features = [torch.from_numpy(encoder.features(dataset.queries)) for dataset in judged]
        return [model.score(model.project(part)).numpy() for part in features]
