"""Text to padded token ids, exactly as serving does it: special tokens counted in the limit, cut on one side.

Does not know the model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor

Side = Literal["left", "right", "middle"]
"""Where a text that is over the limit is cut off. "middle" keeps head and tail."""


@dataclass(frozen=True)
class Batch:
    """Rows of similar length; `rows`: their positions in the input. The tensors are (batch, sequence) int64."""

    rows: tuple[int, ...]
    input_ids: Tensor
    attention_mask: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        return Batch(self.rows, self.input_ids.to(device), self.attention_mask.to(device))


def load_tokenizer(folder: Path) -> Tokenizer:
    """The fast tokenizer of a pretrained encoder's folder; a slow one (no tokenizer.json) is converted."""
    if (folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    from transformers import AutoTokenizer

    converted: Tokenizer = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    return converted


def token_ids(tokenizer: Tokenizer, queries: Sequence[str], max_tokens: int, side: Side) -> list[list[int]]:
    """Token ids of every query, with special tokens, at most `max_tokens` long, the rest cut off on `side`."""
    limited = Tokenizer.from_str(tokenizer.to_str())
    limited.no_padding()
    if side == "middle":
        limited.no_truncation()
        return [_head_and_tail(encoding.ids, max_tokens) for encoding in limited.encode_batch(list(queries))]
    limited.enable_truncation(max_tokens, direction=side)
    return [encoding.ids for encoding in limited.encode_batch(list(queries))]


def _head_and_tail(ids: list[int], max_tokens: int) -> list[int]:
    """The first and the last half of the limit; special tokens stand at the ends, so they stay."""
    if len(ids) <= max_tokens:
        return ids
    tail = max_tokens // 2
    return ids[: max_tokens - tail] + ids[-tail:]


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
