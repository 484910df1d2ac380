"""What depends on the data is chosen on the training data, by cross-validation over rows and over left-out kinds.

Chosen are how far quality is smoothed, how many clusters the sample–sample loss keeps apart, and how near to the
training queries a query must be to count as familiar. No test set is looked at; the manifest records the choices.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from routerdc.data.dataset import pool
from routerdc.training.encoder import Encoder
from routerdc.training.familiarity import Gate, Unseen, best_gate, gates, over_kinds, prior_scores
from routerdc.training.judging.judge import Gain, graded_choice
from routerdc.training.preparation.kinds import Ints, cluster_count, kinds_of
from routerdc.training.preparation.place import Place
from routerdc.training.preparation.smoothing import Basis, best_strength, folds_of_kinds
from routerdc.training.recipe import Recipe
from routerdc.training.run import Run

HELD_FOR_NEARNESS = 5
"""One row in so many says how near to the others a query like them lies."""
UNSEEN_STEPS = 3
"""Routers that only show where they fail on unseen kinds are trained for the recipe's steps over this."""


def with_choices(run: Run, recipe: Recipe) -> Recipe:
    """`recipe` with smoothing and number of clusters chosen where it leaves them open."""
    wanted = recipe.data
    smoothing_open = wanted.labels == "smoothed" and wanted.smoothing is None
    if not smoothing_open and wanted.n_clusters is not None:
        return recipe
    encoder = run.opened(recipe)
    kinds = kinds_of(run.datasets, encoder.features, run.seed)
    changes: dict[str, Any] = {"n_clusters": wanted.n_clusters or cluster_count(kinds)}
    if smoothing_open:
        changes["smoothing"] = _smoothing(run, encoder, kinds)
    return recipe.changed(data=changes)


def _smoothing(run: Run, encoder: Encoder, kinds: Ints) -> tuple[float | None, float | None]:
    llms = pool(run.datasets)
    quality = np.concatenate([dataset.aligned(llms).quality() for dataset in run.datasets])
    data_set = np.repeat(np.arange(len(run.datasets)), [len(dataset) for dataset in run.datasets])
    features = encoder.features([query for dataset in run.datasets for query in dataset.queries])
    place = Place.of(features, run.seed)
    folds = folds_of_kinds(kinds.tolist(), run.seed)
    steered = any(dataset.steered is not None for dataset in run.datasets)
    return best_strength(Basis.of(place(features), place.anchors), quality, data_set, folds, run.seed, steered)


@dataclass(frozen=True)
class Fallback:
    """The gate, and what routers that have not seen a kind of query say of it (nothing where there is one kind)."""

    gate: Gate
    unseen: Sequence[Unseen]

    def judged(self) -> dict[str, Any]:
        """How routers behind the gate do on kinds they have not seen: in per cent, all rows weighing the same."""
        if not self.unseen:
            return {}
        routed, single = self._earned()
        return {"router": _percent(routed), "best_single_llm": _percent(single)}

    def gain(self) -> Gain:
        """What they earn there more than the best single LLM; the error is infinite where there is one kind."""
        routed, single = self._earned()
        return over_kinds(routed - single, np.concatenate([part.kinds for part in self.unseen]))

    def _earned(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Quality of the choices behind the gate and of the best single LLM, (n,) each."""
        single = [graded_choice(np.tile(part.prior, (len(part.quality), 1)), part.quality) for part in self.unseen]
        return np.concatenate([part.earned(self.gate) for part in self.unseen]), np.concatenate(single)


def chosen_fallback(run: Run, recipe: Recipe) -> Fallback | None:
    """The gate by cross-validation over left-out kinds; None where the recipe wants no gate."""
    if not recipe.head.familiarity:
        return None
    encoder = run.opened(recipe)
    candidates = gates(_nearness(run, encoder))
    unseen = list(_unseen(run, recipe, encoder))
    return Fallback(best_gate(candidates, unseen), unseen)


def _nearness(run: Run, encoder: Encoder) -> npt.NDArray[np.float32]:
    """Cosines of some training queries with the nearest anchor among the others."""
    features = encoder.features([query for dataset in run.datasets for query in dataset.queries])
    held = np.random.default_rng(run.seed).permutation(len(features)) % HELD_FOR_NEARNESS == 0
    return Place.of(features[~held], run.seed).nearness(features[held])


def _unseen(run: Run, recipe: Recipe, encoder: Encoder) -> Iterator[Unseen]:
    """Trains once for each fold of kinds, on the others."""
    steps = max(recipe.optimizer.steps // UNSEEN_STEPS, 1)
    recipe = recipe.changed(data={"held_out": 0.0}, optimizer={"evaluate_every": None, "steps": steps})
    llms = pool(run.datasets)
    aligned = [dataset.aligned(llms) for dataset in run.datasets]
    kinds = kinds_of(aligned, encoder.features, run.seed)
    folds = folds_of_kinds(kinds.tolist(), run.seed)
    ends = np.cumsum([len(dataset) for dataset in aligned])
    fold_of = np.split(folds, ends[:-1])
    judges = np.concatenate([dataset.judges for dataset in aligned])
    for fold in np.unique(folds[judges]) if len(np.unique(folds)) > 1 else ():
        parts = list(zip(aligned, fold_of, strict=True))
        learn = [dataset.select(part != fold) for dataset, part in parts if (part != fold).any()]
        judged = [dataset.select((part == fold) & dataset.judges) for dataset, part in parts]
        outcome = replace(run, datasets=learn, encoder=encoder).train(recipe, None)
        features = encoder.features([query for dataset in judged for query in dataset.queries])
        with torch.no_grad():
            scores = outcome.model.score(outcome.model.project(torch.from_numpy(features))).numpy()
        quality = np.concatenate([dataset.quality() for dataset in judged])
        prior = prior_scores(outcome.data.learn.quality, outcome.data.learn.data_set)
        nearness = outcome.place(run.seed).nearness(features)
        yield Unseen(scores, prior, nearness, quality, kinds[judges & (folds == fold)])


def _percent(earned: npt.NDArray[Any]) -> dict[str, Any]:
    return {"average": round(100 * float(np.nanmean(earned)), 2), "rows": int((~np.isnan(earned)).sum())}
