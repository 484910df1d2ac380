"""The training loop: batches, losses, AdamW, the best held-out step, checkpoints.

Every random draw of a step is seeded by (seed, step), so a run that goes on from a checkpoint draws what it would have
drawn, and ends with the same bits. Does not know files of data, encoders' sources or bundles.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from routerdc.losses.correctness import correctness_loss
from routerdc.losses.sample_llm import sample_llm_loss
from routerdc.losses.sample_sample import drawn_sample_sample_loss, sample_sample_loss
from routerdc.losses.weighted_sample_llm import weighted_sample_llm_loss
from routerdc.model import RouterModel
from routerdc.training.judging.judge import expected_quality
from routerdc.training.preparation.inputs import Inputs, embed_all
from routerdc.training.preparation.rows import Rows
from routerdc.training.recipe import PublishedLoss, Recipe
from routerdc_contract.whole_file import whole_file

GRADIENT_NORM = 1.0


class CheckpointError(ValueError):
    """A checkpoint of another run."""


@dataclass(frozen=True)
class Checkpointing:
    """Where the state is kept, every how many steps, and what run it belongs to (recipe, data, seed)."""

    path: Path
    every: int
    run: str


@dataclass
class _Best:
    quality: float = -1.0
    step: int = 0
    weights: dict[str, Tensor] | None = None


def train(
    model: RouterModel,
    learn: Rows,
    inputs: Inputs,
    held_out: Rows,
    held_out_inputs: Inputs,
    recipe: Recipe,
    seed: int,
    checkpointing: Checkpointing | None = None,
) -> dict[str, Any]:
    """Trains `model` in place and leaves it at the best (or last) step.

    Returns:
        `{"steps", "best_step", "held_out_expected_quality", "loss"}`.

    Raises:
        CheckpointError: the checkpoint belongs to another run.
        FloatingPointError: the loss is not a number any more.
    """
    run = _Run(model, learn, inputs, recipe, seed)
    best, first = _Best(), 0
    if checkpointing and checkpointing.path.is_file():
        first, best = run.restore(checkpointing)
    every = recipe.optimizer.evaluate_every
    steps = recipe.optimizer.steps
    bar = tqdm(range(first, steps), initial=first, total=steps, desc="training", disable=None, leave=False)
    for step in bar:
        loss = run.step(step)
        bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
        if every and (step + 1) % every == 0:
            _keep_best(best, model, held_out, held_out_inputs, step + 1)
        if checkpointing and (step + 1) % checkpointing.every == 0:
            run.save(checkpointing, step + 1, best)
    if best.weights is not None:
        model.load_state_dict(best.weights, strict=False)
    model.eval()
    return {
        "steps": recipe.optimizer.steps,
        "best_step": best.step or recipe.optimizer.steps,
        "held_out_expected_quality": best.quality if best.weights is not None else None,
    }


class _Run:
    """One optimizer over one model, advanced step by step."""

    def __init__(self, model: RouterModel, learn: Rows, inputs: Inputs, recipe: Recipe, seed: int) -> None:
        self.model, self.inputs, self.recipe, self.seed = model, inputs, recipe, seed
        self.labels, self.clusters = torch.from_numpy(learn.labels), torch.from_numpy(learn.clusters)
        self.weights = None if recipe.data.rows_per_data_set else _equal_shares(learn.data_set)
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        settings = recipe.optimizer
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.schedule = (
            torch.optim.lr_scheduler.OneCycleLR(self.optimizer, settings.learning_rate, total_steps=settings.steps)
            if settings.schedule == "one_cycle"
            else torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda _: 1.0)
        )
        model.train(recipe.encoder.trained)  # a frozen encoder keeps its dropout off

    def step(self, step: int) -> float:
        """One step of the optimizer; returns the batch's loss. `step` (from 0) and the seed decide every random draw.

        Raises:
            FloatingPointError: the loss is not a number any more.
        """
        generator = _generator(self.seed, "step", step)
        _seed_dropout(int(torch.randint(2**62, (), generator=generator)))
        rows = self._rows(step, generator)
        loss = self._loss(rows, generator)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"training: the loss of step {step + 1} is {loss.item()}: lower the learning rate")
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters, GRADIENT_NORM)
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def _rows(self, step: int, generator: torch.Generator) -> Tensor:
        """Rows of this step: drawn so that each data set has the same share, or the next ones of a shuffled epoch."""
        size = min(self.recipe.optimizer.batch_size, len(self.inputs))
        if self.weights is not None:
            return torch.multinomial(self.weights, size, replacement=True, generator=generator)
        epoch, place = divmod(step, len(self.inputs) // size)
        order = torch.randperm(len(self.inputs), generator=_generator(self.seed, "epoch", epoch))
        return order[place * size : (place + 1) * size]

    def _loss(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        embedding = self.inputs.embed(self.model, rows, generator)
        labels = self.labels[rows].to(embedding.device)
        clusters = self.clusters[rows].to(embedding.device)
        return self._sample_llm(self.model.score(embedding), labels) + self._sample_sample(
            embedding, clusters, generator
        )

    def _sample_llm(self, scores: Tensor, labels: Tensor) -> Tensor:
        settings = self.recipe.sample_llm
        if isinstance(settings, PublishedLoss):
            return sample_llm_loss(scores, labels, settings.positives, settings.negatives)
        weighted = weighted_sample_llm_loss(scores, labels, settings.sharpness, settings.of)
        return weighted + settings.correctness_weight * correctness_loss(scores, labels)

    def _sample_sample(self, embedding: Tensor, clusters: Tensor, generator: torch.Generator) -> Tensor:
        settings = self.recipe.sample_sample
        if settings.negatives is None:
            loss = sample_sample_loss(embedding, clusters, settings.temperature)
        else:
            loss = drawn_sample_sample_loss(embedding, clusters, settings.negatives, generator, settings.temperature)
        return settings.weight * loss

    def save(self, to: Checkpointing, step: int, best: _Best) -> None:
        state = {
            "run": to.run,
            "step": step,
            "weights": _trained(self.model),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best": (best.quality, best.step, best.weights),
        }
        with whole_file(to.path) as draft:  # a run that is killed here leaves the old checkpoint whole
            torch.save(state, draft)

    def restore(self, source: Checkpointing) -> tuple[int, _Best]:
        state = torch.load(source.path, map_location="cpu", weights_only=True)
        if state["run"] != source.run:
            raise CheckpointError(f"{source.path}: of another recipe, data or seed: remove it, or name another file")
        self.model.load_state_dict(state["weights"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        return int(state["step"]), _Best(*state["best"])


def run_identity(**parts: Any) -> str:
    """One hash of everything that decides a run's result."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _keep_best(best: _Best, model: RouterModel, held_out: Rows, inputs: Inputs, step: int) -> None:
    with torch.no_grad():
        scores = model.score(embed_all(model, inputs).to(model.llm_embeddings.device)).cpu().numpy()
    quality = expected_quality(scores, held_out.quality, held_out.data_set)
    if quality > best.quality:
        best.quality, best.step, best.weights = quality, step, _trained(model)


def _trained(model: RouterModel) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in model.named_parameters() if value.requires_grad}


def _equal_shares(data_set: np.ndarray[Any, np.dtype[np.int64]]) -> Tensor:
    return torch.from_numpy(1.0 / np.bincount(data_set)[data_set])


def _seed_dropout(seed: int) -> None:
    """What `torch.manual_seed` does, which without a GPU notes a whole stack trace at every call: a tenth of a step."""
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)


def _generator(seed: int, what: str, index: int) -> torch.Generator:
    digest = hashlib.sha256(f"{seed} {what} {index}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
