"""Rows of a training batch as embeddings: through the whole encoder, or from a frozen encoder's features.

Does not know labels or losses.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from routerdc.batches import batches_by_length
from routerdc.model import RouterModel

EVALUATION_BATCH = 256
SLICES = {"cpu": 4, "cuda": 16}
"""Rows of a batch that go through the encoder together, by device, sorted by length: so hardly any padding is computed,
while the losses see the whole batch. On a CPU few rows are fastest (13 s a step of the published recipe against 25 s
with 16, one thread of a busy machine); a GPU wants more at once."""


class Inputs(Protocol):
    """The one seam of the training loop towards the encoder."""

    def embed(self, model: RouterModel, rows: Tensor, generator: torch.Generator | None) -> Tensor:
        """Unit embeddings, (batch, dim), of `rows` (batch,); `generator`: for noise, None where none is wanted."""

    def __len__(self) -> int: ...


class TokenInputs:
    """Fine-tuning: token ids go through the encoder, gradients come back through it.

    A batch is encoded in slices sorted by length and put together again: same embeddings and gradients, less padding.
    """

    def __init__(self, ids: Sequence[Sequence[int]]) -> None:
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def embed(self, model: RouterModel, rows: Tensor, generator: torch.Generator | None) -> Tensor:
        """Embeds the texts of `rows`: (len(rows), dim)."""
        device = model.llm_embeddings.device
        size = SLICES.get(device.type, SLICES["cuda"])
        slices = [one.to(device) for one in batches_by_length([self._ids[row] for row in rows.tolist()], size)]
        embedding = torch.cat([model.embed(one.input_ids, one.attention_mask) for one in slices])
        place = torch.tensor([row for one in slices for row in one.rows], device=device)
        return embedding[place.argsort()]


class FeatureInputs:
    """A frozen encoder: standardised features (n, width), with Gaussian noise while training."""

    def __init__(self, features: Tensor, noise: float = 0.0) -> None:
        self._features, self._noise = features, noise

    def __len__(self) -> int:
        return len(self._features)

    def embed(self, model: RouterModel, rows: Tensor, generator: torch.Generator | None) -> Tensor:
        """Projects the stored features of `rows`, with noise where a generator is given: (len(rows), dim)."""
        features = self._features[rows]
        if self._noise and generator is not None:
            features = features + self._noise * torch.randn(features.shape, generator=generator)
        return model.project(features.to(model.llm_embeddings.device))


def embed_all(model: RouterModel, inputs: Inputs) -> Tensor:
    """Unit embeddings of every row, (n, dim) on the CPU, without gradients, dropout or noise."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        rows = torch.split(torch.arange(len(inputs)), EVALUATION_BATCH) if len(inputs) else ()
        parts = [inputs.embed(model, part, None).cpu() for part in rows]
    model.train(was_training)
    return torch.cat(parts) if parts else torch.zeros(0, model.config.dim)


def fold_standardisation(layer: nn.Linear, mean: Tensor, deviation: Tensor) -> None:
    """Makes `layer`, trained on (x - mean) / deviation, take x itself: nothing is left to do at serving."""
    with torch.no_grad():
        layer.weight.div_(deviation)
        layer.bias.sub_(layer.weight @ mean)
