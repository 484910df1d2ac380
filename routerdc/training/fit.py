"""Recipe and data sets in, trained router out. The one place where the parts of training meet."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from routerdc.bundle_io import save_bundle
from routerdc.data.dataset import Dataset
from routerdc.encoder_source import pin_encoder
from routerdc.model import RouterConfig, RouterModel, load_encoder
from routerdc.tokenization import load_tokenizer, token_ids
from routerdc.training.calibration import platt
from routerdc.training.judge import chosen_quality, per_data_set
from routerdc.training.loop import Checkpointing, run_identity, train
from routerdc.training.preparation.features import CACHE_FOLDER, FeatureCache, cache_file, encode
from routerdc.training.preparation.inputs import FeatureInputs, Inputs, TokenInputs, embed_all, fold_standardisation
from routerdc.training.preparation.rows import Rows, TrainingData, data_sha256, lay_out
from routerdc.training.preparation.targets import column_means
from routerdc.training.recipe import EncoderRecipe, Recipe
from routerdc_contract.bundle import Calibration, EncoderSpec, LlmSpec, Manifest

CHECKPOINT_EVERY_STEPS = 50


@dataclass(frozen=True)
class Trained:
    """A trained router, not yet a bundle."""

    model: RouterModel
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


@dataclass(frozen=True)
class Encoder:
    """A pretrained encoder with its tokenizer, and its frozen features of queries."""

    spec: EncoderSpec
    model: torch.nn.Module
    width: int
    tokenizer: Tokenizer
    features: FeatureCache


def open_encoder(recipe: EncoderRecipe, device: str = "cpu", cache: Path | None = CACHE_FOLDER) -> Encoder:
    """The encoder that `recipe` names.

    Raises:
        routerdc_contract.bundle.BundleError: no source has it.
    """
    folder, sha256 = pin_encoder(recipe.name, recipe.sources)
    spec = EncoderSpec(
        name=recipe.name,
        sources=recipe.sources,
        weights_sha256=sha256,
        layers=recipe.layers,
        pooling=recipe.pooling,
    )
    model: Any = load_encoder(folder, recipe.layers)
    tokenizer = load_tokenizer(folder)
    features = FeatureCache(
        lambda queries: encode(model, tokenizer, queries, recipe, device),
        cache and cache_file(cache, recipe, sha256),
    )
    return Encoder(spec, model, model.config.hidden_size, tokenizer, features)


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

    Held-out rows judge and calibrate; then the router is trained again on all rows, because a small data set's last
    tenth decides more than it seems (unless the recipe keeps its best held-out step, which would be lost).

    Args:
        seed: of the split, the initial weights, the batches and the noise; same seed, same bits (on one device).
        checkpoint: kept while training; a run that finds its own goes on from it.
        cache: where features of frozen encoders stay; None keeps none.
        encoder: the recipe's, opened already (frozen only: training changes it otherwise).

    Raises:
        routerdc_contract.bundle.BundleError: the encoder cannot be found.
        routerdc.training.loop.CheckpointError: `checkpoint` belongs to another run.
    """
    run = _Run(datasets, seed, device, cache, encoder)
    judged = run.train(recipe, checkpoint)
    final = judged
    if recipe.data.held_out and not recipe.optimizer.evaluate_every:
        everything = recipe.changed(data={"held_out": 0.0})
        final = run.train(everything, checkpoint and checkpoint.with_suffix(".all" + checkpoint.suffix))
    calibrations = zip(judged.llms, judged.calibrations, strict=True)
    return Trained(
        model=final.model,
        tokenizer=final.encoder.tokenizer,
        encoder=final.encoder.spec,
        recipe=recipe,
        llms=tuple(LlmSpec(name=name, calibration=calibration) for name, calibration in calibrations),
        training={
            "recipe": recipe.model_dump(mode="json"),
            "seed": seed,
            "data_sha256": data_sha256(datasets),
            "data_sets": {dataset.name: len(dataset) for dataset in datasets},
            **({"grading": grading} if (grading := _grading(datasets)) else {}),
            **final.history,
        },
        metrics={"held_out": judged.metrics} if judged.metrics else {},
    )


def _grading(datasets: Sequence[Dataset]) -> dict[str, Any]:
    """How far the graders of each data set agree with people, where that was measured."""
    return {dataset.name: dict(dataset.grading) for dataset in datasets if dataset.grading}


@dataclass(frozen=True)
class _Outcome:
    """What one training came to."""

    encoder: Encoder
    model: RouterModel
    llms: tuple[str, ...]
    calibrations: list[Calibration | None]
    history: dict[str, Any]
    metrics: dict[str, Any]


@dataclass(frozen=True)
class _Run:
    """Everything of a training but its recipe."""

    datasets: Sequence[Dataset]
    seed: int
    device: str
    cache: Path | None
    encoder: Encoder | None

    def train(self, recipe: Recipe, checkpoint: Path | None) -> _Outcome:
        """One training by `recipe`; `checkpoint` is where its state is kept, None keeps none.

        Raises:
            routerdc_contract.bundle.BundleError: the encoder cannot be found.
            routerdc.training.loop.CheckpointError: `checkpoint` belongs to another run.
        """
        encoder = self.encoder or open_encoder(recipe.encoder, self.device, self.cache)
        data = lay_out(self.datasets, recipe.data, encoder.features, self.seed)
        model = _new_model(encoder, recipe, data, self.seed).to(self.device)
        learn, held_out, standard = _inputs(encoder, recipe, data)
        kept = Checkpointing(checkpoint, CHECKPOINT_EVERY_STEPS, self._identity(recipe)) if checkpoint else None
        history = train(model, data.learn, learn, data.held_out, held_out, recipe, self.seed, kept)
        metrics, calibrations = _judged(model, held_out, data)
        if standard is not None:
            fold_standardisation(model.projection.first, *(part.to(self.device) for part in standard))
        return _Outcome(encoder, model.cpu(), data.llms, calibrations, history, metrics)

    def _identity(self, recipe: Recipe) -> str:
        data = data_sha256(self.datasets)
        return run_identity(recipe=recipe.model_dump(mode="json"), data=data, seed=self.seed)


def _new_model(encoder: Encoder, recipe: Recipe, data: TrainingData, seed: int) -> RouterModel:
    torch.manual_seed(seed)
    head, width = recipe.head, encoder.width
    config = RouterConfig(
        n_llms=len(data.llms),
        features=width,
        dim=head.dim or width,
        projection=head.projection,
        hidden=head.hidden,
        pooling=recipe.encoder.pooling,
        scale=head.scale,
    )
    model = RouterModel(encoder.model, config)
    model.encoder.requires_grad_(recipe.encoder.trained)
    model.llm_bias.requires_grad_(recipe.head.bias)
    return model


def _inputs(
    encoder: Encoder, recipe: Recipe, data: TrainingData
) -> tuple[Inputs, Inputs, tuple[torch.Tensor, torch.Tensor] | None]:
    """Inputs of the rows to learn from and of the held-out ones, and by what features were standardised."""
    settings = recipe.encoder
    if settings.trained:
        limits = settings.max_tokens, settings.truncation_side
        ids = [token_ids(encoder.tokenizer, rows.queries, *limits) for rows in (data.learn, data.held_out)]
        return TokenInputs(ids[0]), TokenInputs(ids[1]), None
    learn = torch.from_numpy(encoder.features(data.learn.queries))
    held_out = _features_or_none(encoder, data.held_out)
    if recipe.head.projection == "none":
        return FeatureInputs(learn), FeatureInputs(held_out), None
    mean, deviation = learn.mean(dim=0), learn.std(dim=0).clamp(min=1e-6)
    noise = recipe.optimizer.feature_noise
    return (
        FeatureInputs((learn - mean) / deviation, noise),
        FeatureInputs((held_out - mean) / deviation),
        (mean, deviation),
    )


def _features_or_none(encoder: Encoder, rows: Rows) -> torch.Tensor:
    if not len(rows):
        return torch.zeros(0, encoder.width)
    return torch.from_numpy(encoder.features(rows.queries))


def _judged(model: RouterModel, inputs: Inputs, data: TrainingData) -> tuple[dict[str, Any], list[Calibration | None]]:
    """Held-out quality by data set beside the best single LLM's and each data set's best; Platt lines of all LLMs."""
    rows = data.held_out
    if not len(rows):
        return {}, [None] * len(data.llms)
    with torch.no_grad():
        scores = model.score(embed_all(model, inputs).to(model.llm_embeddings.device)).cpu()
    routed = per_data_set(chosen_quality(scores.numpy(), rows.quality), rows.data_set)
    best = np.stack([column_means(data.learn.quality[data.learn.data_set == d]) for d in range(len(data.names))])
    single = int(np.nanargmax(np.nanmean(best, axis=0)))
    by_expert = rows.quality[np.arange(len(rows)), np.nanargmax(best, axis=1)[rows.data_set]]
    return {
        "router": _percent(routed, data.names),
        "best_single_llm": _percent(per_data_set(rows.quality[:, single], rows.data_set), data.names),
        "best_llm_per_data_set": _percent(per_data_set(by_expert, rows.data_set), data.names),
    }, platt(scores, torch.from_numpy(rows.quality))


def _percent(means: dict[int, float], names: tuple[str, ...]) -> dict[str, Any]:
    table: dict[str, Any] = {names[one]: round(100 * mean, 2) for one, mean in means.items()}
    return {**table, "average": round(100 * float(np.mean(list(means.values()))), 2)}
