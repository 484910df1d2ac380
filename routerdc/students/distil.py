"""Distillation: a student learns to give, up to a linear map, the teacher's pooled features of any text.

The loss is the mean squared error of the standardised features, so each of them counts alike, as it does for the head.
The linear map is thrown away: the router's head learns on the student's own features.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from routerdc.batches import pad
from routerdc.model import pool

Floats = npt.NDArray[np.float32]
HELD_OUT = 20
"""One text in so many shows how well the student does on texts that it has not seen."""
WARM_UP = 0.1


@dataclass(frozen=True)
class Effort:
    """How long a student learns. `rate`: the highest learning rate of one cycle."""

    epochs: int
    rate: float
    batch: int = 128


@dataclass(frozen=True)
class Lesson:
    """Texts as token ids, and the teacher's features of them, (n, width of the teacher)."""

    ids: Sequence[Sequence[int]]
    features: Floats


def distil(student: nn.Module, width: int, lesson: Lesson, effort: Effort, seed: int) -> float:
    """Trains `student`, whose features are `width` wide, in place.

    Returns:
        The share of the teacher's variance that it explains on held-out texts (R²).
    """
    targets = torch.from_numpy(lesson.features)
    targets = (targets - targets.mean(dim=0)) / targets.std(dim=0).clamp(min=1e-6)
    held_out = torch.arange(len(targets)) % HELD_OUT == 0
    learn = torch.nonzero(~held_out).flatten()
    torch.manual_seed(seed)
    reader = nn.Linear(width, targets.shape[1])
    parameters = [*student.parameters(), *reader.parameters()]
    steps = effort.epochs * -(-len(learn) // effort.batch)
    optimizer = torch.optim.AdamW(parameters, lr=effort.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, effort.rate, total_steps=steps, pct_start=WARM_UP)
    student.train()
    for rows in tqdm(_batches(learn, lesson.ids, effort, seed), total=steps, desc="distilling", disable=None):
        loss = F.mse_loss(reader(_features(student, lesson.ids, rows)), targets[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
    student.eval()
    with torch.no_grad():
        rows = torch.nonzero(held_out).flatten()
        parts = [reader(_features(student, lesson.ids, part)) for part in torch.split(rows, effort.batch)]
        return 1 - float(F.mse_loss(torch.cat(parts), targets[rows]) / targets[rows].var(dim=0, correction=0).mean())


def _features(student: nn.Module, ids: Sequence[Sequence[int]], rows: Tensor) -> Tensor:
    batch = pad(ids, rows.tolist())
    hidden = student(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
    return pool(hidden, batch.attention_mask, "mean")


def _batches(rows: Tensor, ids: Sequence[Sequence[int]], effort: Effort, seed: int) -> Iterator[Tensor]:
    """Every epoch all rows in batches of similar length, in another order."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([len(ids[row]) for row in rows.tolist()], dtype=torch.float32)
    for _ in range(effort.epochs):
        noisy = lengths + 8 * torch.rand(len(lengths), generator=generator)
        batches = torch.split(rows[noisy.argsort()], effort.batch)
        for index in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[index]
