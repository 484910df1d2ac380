"""Embeddings of the pretrained encoder under a router, untouched by training: what the baselines learn from.

Always the whole encoder, mean pooling, unit length and 256 tokens (its own usual sentence embedding), whatever layers
and limits the router uses: the baselines must not depend on the router that they are compared with.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from contract.bundle import EncoderSpec
from routerdc.evaluation.cached import CACHE_FOLDER, Cached
from routerdc.evaluation.references import Embed
from routerdc.evaluation.selection import Floats

MAX_TOKENS = 256


def frozen_encoder(spec: EncoderSpec, folder: Path = CACHE_FOLDER) -> Embed:
    """Cached embeddings, (n, width); torch and the weights are loaded at the first query that is not in the cache."""
    loaded = cache(lambda: _load(spec))
    identity = f"{spec.weights_sha256} whole mean {MAX_TOKENS} right"
    return Cached(lambda queries: loaded()(queries), identity, f"embedding with {spec.name}", folder)


def _load(spec: EncoderSpec) -> Callable[[Sequence[str]], Floats]:
    import numpy as np
    import torch
    from torch.nn import functional as F

    from routerdc.encoder_source import resolve_encoder
    from routerdc.model import load_encoder, pool
    from routerdc.tokenization import batches_by_length, load_tokenizer, token_ids

    source = resolve_encoder(spec)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder, tokenizer = load_encoder(source).to(device), load_tokenizer(source)

    def embed(queries: Sequence[str]) -> Floats:
        ids = token_ids(tokenizer, queries, MAX_TOKENS, "right")
        rows: list[tuple[int, Floats]] = []
        with torch.inference_mode():
            for batch in (batch.to(device) for batch in batches_by_length(ids, batch_size=64)):
                hidden = encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
                unit = F.normalize(pool(hidden.float(), batch.attention_mask, "mean"), dim=-1)
                rows.extend(zip(batch.rows, unit.cpu().numpy(), strict=True))
        return np.stack([vector for _, vector in sorted(rows, key=lambda row: row[0])])

    return embed
