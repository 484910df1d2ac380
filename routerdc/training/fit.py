"""Recipe and data sets in, trained router out: what depends on the data is chosen first, then the router is trained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from routerdc.bundle_io import save_bundle
from routerdc.data.dataset import Dataset
from routerdc.model import RouterModel
from routerdc.training.choices import Fallback, chosen_fallback, with_choices
from routerdc.training.encoder import Encoder, open_encoder
from routerdc.training.familiarity import prior_scores, rescaled, with_familiarity
from routerdc.training.judging.calibration import platt, pooled_platt
from routerdc.training.judging.judge import Gain, graded_choice, per_data_set
from routerdc.training.preparation.effects import additive_effects
from routerdc.training.preparation.features import CACHE_FOLDER
from routerdc.training.preparation.inputs import embed_all
from routerdc.training.preparation.rows import data_sha256
from routerdc.training.recipe import Recipe
from routerdc.training.run import Outcome, Run
from routerdc_contract.bundle import Calibration, EncoderSpec, LlmSpec, Manifest


@dataclass(frozen=True)
class Trained:
    """A trained router, not yet a bundle."""

    model: RouterModel
    """without an encoder where that is frozen"""
    tokenizer: Tokenizer
    encoder: EncoderSpec
    recipe: Recipe
    llms: tuple[LlmSpec, ...]
    training: dict[str, Any]
    metrics: dict[str, Any]

    def write(self, folder: Path, name: str) -> Manifest:
        """The bundle, into `folder`."""
        return save_bundle(
            folder,
            self.model,
            self.tokenizer,
            name=name,
            encoder=self.encoder,
            llms=self.llms,
            max_tokens=self.recipe.encoder.max_tokens,
            truncation_side=self.recipe.encoder.truncation_side,
            training=self.training,
            metrics=self.metrics,
        )


def fit(
    datasets: Sequence[Dataset],
    recipe: Recipe,
    seed: int,
    *,
    device: str = "cpu",
    checkpoint: Path | None = None,
    cache: Path | None = CACHE_FOLDER,
    encoder: Encoder | None = None,
) -> Trained:
    """Trains a router on `datasets`.

    What the recipe leaves open is chosen by cross-validation (`routerdc.training.choices`). Held-out rows judge and
    calibrate; then the router is trained again on all rows, because a small data set's last tenth decides more than it
    seems (unless the recipe keeps its best held-out step, which would be lost).

    Args:
        datasets: scored queries.
        recipe: how to train.
        seed: of the folds, the split, the initial weights, the batches and the noise; same seed, same bits (on one
            device).
        device: cpu or cuda.
        checkpoint: kept while training; a run that finds its own goes on from it.
        cache: where features of frozen encoders stay; None keeps none.
        encoder: the recipe's, opened already (frozen only: training changes it otherwise). None: a frozen one is opened
            once, for all trainings here.

    Raises:
        routerdc_contract.bundle.BundleError: the encoder cannot be found.
        routerdc.training.loop.CheckpointError: `checkpoint` belongs to another run.
    """
    if encoder is None and not recipe.encoder.trained:
        encoder = open_encoder(recipe.encoder, device, cache)
    run = Run(datasets, seed, device, cache, encoder)
    recipe = with_choices(run, recipe)
    fallback = chosen_fallback(run, recipe)
    judged = run.train(recipe, checkpoint)
    line = _line(judged)
    judged = _gated(judged, fallback, line, seed)
    calibrations = platt(*calibrating_rows(judged, fallback, line, seed))
    final = judged
    if recipe.data.held_out and not recipe.optimizer.evaluate_every:
        everything = recipe.changed(data={"held_out": 0.0})
        final = run.train(everything, checkpoint and checkpoint.with_suffix(".all" + checkpoint.suffix))
        final = _gated(final, fallback, line, seed)
    return Trained(
        model=final.model,
        tokenizer=final.encoder.tokenizer,
        encoder=final.encoder.spec,
        recipe=recipe,
        llms=tuple(LlmSpec(name=n, calibration=c) for n, c in zip(judged.data.llms, calibrations, strict=True)),
        training={
            "recipe": recipe.model_dump(mode="json"),
            "seed": seed,
            "data_sha256": data_sha256(datasets),
            "data_sets": {dataset.name: len(dataset) for dataset in datasets},
            **({"grading": grading} if (grading := _grading(datasets)) else {}),
            **({"gate": [round(fallback.gate.low, 4), round(fallback.gate.high, 4)]} if fallback else {}),
            **final.history,
        },
        metrics=_metrics(judged, fallback),
    )


def _grading(datasets: Sequence[Dataset]) -> dict[str, Any]:
    """How far the graders of each data set agree with people, where that was measured."""
    return {dataset.name: dict(dataset.grading) for dataset in datasets if dataset.grading}


def _line(outcome: Outcome) -> Calibration:
    """What makes scores logits of P(correct) on held-out rows: those learned from smoothed labels are too even."""
    scores = _scores(outcome)
    return pooled_platt(scores, torch.from_numpy(outcome.data.held_out.quality))


def _scores(outcome: Outcome) -> torch.Tensor:
    """Of the held-out rows, (n, n_llms)."""
    with torch.no_grad():
        return outcome.model.score(embed_all(outcome.model, outcome.held_out))


def _gated(outcome: Outcome, fallback: Fallback | None, line: Calibration, seed: int) -> Outcome:
    """Behind the gate, scores and prior must be in one unit, logits: `line` brings the scores to it."""
    if fallback is None:
        return outcome
    prior = prior_scores(outcome.data.learn.quality, outcome.data.learn.data_set)
    model = with_familiarity(rescaled(outcome.model, line), outcome.place(seed), fallback.gate, prior)
    return replace(outcome, model=model)


def calibrating_rows(
    judged: Outcome, fallback: Fallback | None, line: Calibration, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores and qualities, (n, n_llms) each, that the Platt lines are fitted on; no rows where none is held out.

    Held-out rows say how sure the router may be of queries like its own; as many rows of kinds that routers have not
    seen say it of other queries. Fitted on the first alone, lines make the prior too sure of itself.
    """
    scores, quality = _scores(judged), torch.from_numpy(judged.data.held_out.quality)
    if not len(scores) or fallback is None or not fallback.unseen:
        return scores, quality
    other = np.concatenate([part.behind(fallback.gate, line) for part in fallback.unseen])
    outcome = np.concatenate([part.quality for part in fallback.unseen])
    drawn = np.random.default_rng(seed).permutation(len(other))[: len(scores)]
    return torch.cat([scores, torch.from_numpy(other[drawn])]), torch.cat([quality, torch.from_numpy(outcome[drawn])])


def _metrics(outcome: Outcome, fallback: Fallback | None) -> dict[str, Any]:
    """Quality on held-out rows and on kinds of queries that were left out, and what it is above the best single LLM."""
    tables: dict[str, Any] = {}
    gains: dict[str, Gain] = {}
    if len(outcome.data.held_out):
        tables["held_out"], gains["held_out"] = _held_out(outcome)
    if fallback and fallback.unseen:
        tables["unseen_kinds"], gains["unseen_kinds"] = fallback.judged(), fallback.gain()
    told = {name: gain.in_points() for name, gain in gains.items() if np.isfinite(gain.error)}
    return tables | ({"over_best_single_llm": told} if told else {})


def _held_out(outcome: Outcome) -> tuple[dict[str, Any], Gain]:
    """Quality by data set beside the best single LLM's and each data set's best."""
    data, rows = outcome.data, outcome.data.held_out
    sets = range(len(data.names))
    best = np.stack([additive_effects(data.learn.quality[data.learn.data_set == one]).llm for one in sets])
    single = prior_scores(data.learn.quality, data.learn.data_set)
    contenders = {
        "router": _scores(outcome).numpy(),
        "best_single_llm": np.tile(single, (len(rows), 1)),
        "best_llm_per_data_set": best[rows.data_set],
    }
    earned = {name: graded_choice(choices, rows.quality) for name, choices in contenders.items()}
    table = {name: _percent(per_data_set(part, rows.data_set), data.names) for name, part in earned.items()}
    return table, Gain.over_data_sets(earned["router"] - earned["best_single_llm"], rows.data_set)


def _percent(means: dict[int, float], names: tuple[str, ...]) -> dict[str, Any]:
    table: dict[str, Any] = {names[one]: round(100 * mean, 2) for one, mean in means.items()}
    return {**table, "average": round(100 * float(np.mean(list(means.values()))), 2)}
