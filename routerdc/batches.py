"""Token ids to padded tensors, in batches of similar length. Does not know text or the model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Rows of similar length; `rows`: their positions in the input. The tensors are (batch, sequence) int64."""

    rows: tuple[int, ...]
    input_ids: Tensor
    attention_mask: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return Batch(self.rows, self.input_ids.to(device), self.attention_mask.to(device))


def pad(ids: Sequence[Sequence[int]], rows: Sequence[int]) -> Batch:
    """Pads `ids[row]` for every row on the right to the longest; the padding id is 0 and the mask hides it."""
    chosen = [torch.tensor(ids[row], dtype=torch.long) for row in rows]
    stack = torch.nn.utils.rnn.pad_sequence
    mask = stack([torch.ones_like(row) for row in chosen], batch_first=True)
    return Batch(tuple(rows), stack(chosen, batch_first=True), mask)


def batches_by_length(ids: Sequence[Sequence[int]], batch_size: int) -> Iterator[Batch]:
    """All rows, longest first (memory runs out at once or never), in batches of similar length."""
    order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
    for start in range(0, len(order), batch_size):
        yield pad(ids, order[start : start + batch_size])
