"""Rows of different lengths → slices of similar length under a token budget, so that almost no padding is computed."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from engines.engine import TokenSlice

_SLICES_PER_WORKER = 2
"""where there are few rows: with one, the workers would end as far apart as slices differ"""


def slices(lengths: Sequence[int], slice_tokens: int, parallel: int = 1) -> Iterator[npt.NDArray[np.intp]]:
    """Row indices of every slice: each row once, shortest first, rows × longest row ≤ `slice_tokens`.

    Slices of few rows are smaller, so that `parallel` workers all have some. A row that is longer than the budget gets
    a slice of its own.
    """
    if parallel > 1:
        slice_tokens = min(slice_tokens, -(-sum(lengths) // (_SLICES_PER_WORKER * parallel)))
    order = np.argsort(np.asarray(lengths), kind="stable")
    start = 0
    for end, row in enumerate(order):
        if end > start and (end + 1 - start) * lengths[row] > slice_tokens:
            yield order[start:end]
            start = end
    if start < len(order):
        yield order[start:]


def widths(lengths: Sequence[int], multiple: int, longest: int) -> list[int]:
    """Padded lengths: the next multiple of `multiple`, but no more than `longest`, which no length exceeds."""
    return [min(-(-length // multiple) * multiple, longest) for length in lengths]


def padded_rows(rows: int, counts: Sequence[int]) -> int:
    """The smallest of `counts` that holds so many rows; `rows` where there is none."""
    return min((count for count in counts if count >= rows), default=rows)


def pad(rows: Sequence[npt.NDArray[np.int32]], width: int, count: int = 0) -> TokenSlice:
    """`rows` as one slice, (batch, `width`); padded on the right with 0, which the mask hides.

    Rows of one token each follow until there are `count`, so that the slice has a shape that the engine knows.
    """
    filling = max(count - len(rows), 0)
    lengths = np.array([*(len(row) for row in rows), *[1] * filling])
    attention_mask = (np.arange(width) < lengths[:, None]).astype(np.int32)
    input_ids = np.zeros_like(attention_mask)
    input_ids[: len(rows)][attention_mask[: len(rows)] == 1] = np.concatenate(rows)
    return TokenSlice(input_ids, attention_mask)
