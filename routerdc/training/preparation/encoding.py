"""Texts through a frozen encoder: pooled features. Does not keep them; `preparation.features` does."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from tqdm import tqdm

from routerdc.batches import Batch, batches_by_length
from routerdc.model import Pooling, pool
from routerdc.tokenization import token_ids
from routerdc.training.preparation.features import Floats
from routerdc.training.preparation.recipe_parts import EncoderRecipe

BATCH_SIZE = 64


def encode(
    encoder: nn.Module, tokenizer: Tokenizer, queries: Sequence[str], recipe: EncoderRecipe, device: str
) -> Floats:
    """Pooled features, (n, width) float32, of a frozen encoder; rows are computed sorted by length."""
    ids = token_ids(tokenizer, queries, recipe.max_tokens, recipe.truncation_side)
    encoder = encoder.to(device).eval()

    def last(batch: Batch) -> list[Tensor]:
        return [encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state]

    return np.asarray(pooled(last, ids, recipe.pooling, device)[0], dtype=np.float32)


def pooled(
    layers_of: Callable[[Batch], Sequence[Tensor]], ids: Sequence[Sequence[int]], pooling: Pooling, device: str
) -> Floats:
    """Pooled hidden states, (n_layers, n, width).

    Args:
        layers_of: an encoder's hidden states, (batch, sequence, width) each, of a batch on `device`.
        ids: token ids of every row.
        pooling: how hidden states become one vector.
        device: where the encoder is.
    """
    rows: dict[int, Floats] = {}
    bar = tqdm(total=len(ids), desc="encoding", unit=" queries", disable=None, leave=False)
    with bar, torch.inference_mode():
        for batch in batches_by_length(ids, BATCH_SIZE):
            moved = batch.to(device)
            parts = [pool(hidden.float(), moved.attention_mask, pooling) for hidden in layers_of(moved)]
            rows.update(zip(batch.rows, torch.stack(parts, dim=1).cpu().numpy(), strict=True))
            bar.update(len(batch.rows))
    return np.stack([rows[row] for row in range(len(ids))], axis=1)
