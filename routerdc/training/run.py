"""One training: data sets and a recipe with nothing left to choose in, a router out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from routerdc.data.dataset import Dataset
from routerdc.model import RouterConfig, RouterModel
from routerdc.tokenization import token_ids
from routerdc.training.encoder import Encoder, open_encoder
from routerdc.training.loop import Checkpointing, run_identity, train
from routerdc.training.preparation.inputs import FeatureInputs, Inputs, TokenInputs, fold_standardisation
from routerdc.training.preparation.place import Place
from routerdc.training.preparation.rows import Rows, TrainingData, data_sha256, lay_out
from routerdc.training.recipe import Recipe

CHECKPOINT_EVERY_STEPS = 50


@dataclass(frozen=True)
class Outcome:
    """What one training came to. `held_out`: inputs of the held-out rows, as the model takes them now.

    The model has an encoder only if that was trained: a frozen one's features are `encoder.features`.
    """

    encoder: Encoder
    model: RouterModel
    data: TrainingData
    held_out: Inputs
    history: dict[str, Any]

    def place(self, seed: int) -> Place:
        """Where the queries that were learned from lie."""
        return Place.of(self.encoder.features(self.data.learn.queries), seed)


@dataclass(frozen=True)
class Run:
    """Everything of a training but its recipe."""

    datasets: Sequence[Dataset]
    seed: int
    device: str
    cache: Path | None
    encoder: Encoder | None

    def opened(self, recipe: Recipe) -> Encoder:
        """The encoder of `recipe`.

        Raises:
            routerdc_contract.bundle.BundleError: it cannot be found.
        """
        return self.encoder or open_encoder(recipe.encoder, self.device, self.cache)

    def train(self, recipe: Recipe, checkpoint: Path | None) -> Outcome:
        """One training by `recipe`; `checkpoint` is where its state is kept, None keeps none.

        Raises:
            routerdc_contract.bundle.BundleError: the encoder cannot be found.
            routerdc.training.loop.CheckpointError: `checkpoint` belongs to another run.
        """
        encoder = self.opened(recipe)
        data = lay_out(self.datasets, recipe.data, encoder.features, self.seed)
        model = _new_model(encoder, recipe, data, self.seed).to(self.device)
        learn, held_out, standard = _inputs(encoder, recipe, data)
        kept = Checkpointing(checkpoint, CHECKPOINT_EVERY_STEPS, self._identity(recipe)) if checkpoint else None
        history = train(model, data.learn, learn, data.held_out, held_out, recipe, self.seed, kept)
        if standard is not None:
            fold_standardisation(model.projection.first, *(part.to(self.device) for part in standard))
            held_out = FeatureInputs(_features_or_none(encoder, data.held_out))
        return Outcome(encoder, model.cpu(), data, held_out, history)

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
    model = RouterModel(encoder.model if recipe.encoder.trained else torch.nn.Identity(), config)
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
