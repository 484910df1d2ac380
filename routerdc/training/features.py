"""Pooled features of a frozen encoder, kept on disk query by query: no query is ever encoded twice.

One file for each way of encoding (weights, layers, pooling, limit, side); in it a digest and a vector for each query.
So other seeds, folds and added data find what they share with earlier runs. Does not know scores or losses.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import nn
from tqdm import tqdm

from routerdc.model import pool
from routerdc.tokenization import batches_by_length, token_ids
from routerdc.training.recipe import EncoderRecipe

CACHE_FOLDER = Path(".cache/features")
BATCH_SIZE = 64
Floats = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]


class FeatureCache:
    """Features of queries by one way of encoding; `path` None: kept in memory only."""

    def __init__(self, encode: Encode, path: Path | None) -> None:
        """`encode`: queries (n) → (n, width) float32."""
        self._encode, self._path = encode, path
        self._known: dict[bytes, Floats] | None = None

    def __call__(self, queries: Sequence[str]) -> Floats:
        """Features, (n, width) float32; what is not known yet is computed and kept."""
        known = self._load()
        digests = [_digest(query) for query in queries]
        new = {digest: query for digest, query in zip(digests, queries, strict=True) if digest not in known}
        if new:
            known.update(zip(new, self._encode(list(new.values())), strict=True))
            self._save(known)
        return np.stack([known[digest] for digest in digests])

    def _load(self) -> dict[bytes, Floats]:
        if self._known is None:
            self._known = {}
            if self._path and self._path.is_file():
                with np.load(self._path) as file:
                    self._known = dict(zip(map(bytes, file["digests"]), file["features"], strict=True))
        return self._known

    def _save(self, known: dict[bytes, Floats]) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(f".{os.getpid()}.npz")
        digests = np.frombuffer(b"".join(known), dtype=np.uint8).reshape(len(known), -1)
        np.savez(draft, digests=digests, features=np.stack(list(known.values())))
        draft.replace(self._path)  # whole or not at all, also when two trainings run at once


def cache_file(folder: Path, recipe: EncoderRecipe, weights_sha256: str) -> Path:
    """Where the features of one way of encoding are kept."""
    what = (weights_sha256, recipe.layers, recipe.pooling, recipe.max_tokens, recipe.truncation_side)
    return folder / f"{hashlib.sha256(repr(what).encode()).hexdigest()[:24]}.npz"


def encode(
    encoder: nn.Module, tokenizer: Tokenizer, queries: Sequence[str], recipe: EncoderRecipe, device: str
) -> Floats:
    """Pooled features, (n, width) float32, of a frozen encoder; rows are computed sorted by length."""
    ids = token_ids(tokenizer, queries, recipe.max_tokens, recipe.truncation_side)
    encoder = encoder.to(device).eval()
    rows: dict[int, Floats] = {}
    bar = tqdm(total=len(ids), desc="encoding", unit=" queries", disable=None, leave=False)
    with bar, torch.inference_mode():
        for batch in batches_by_length(ids, BATCH_SIZE):
            moved = batch.to(device)
            hidden = encoder(input_ids=moved.input_ids, attention_mask=moved.attention_mask).last_hidden_state
            pooled = pool(hidden.float(), moved.attention_mask, recipe.pooling).cpu().numpy()
            rows.update(zip(batch.rows, pooled, strict=True))
            bar.update(len(batch.rows))
    return np.stack([rows[row] for row in range(len(ids))])


def _digest(query: str) -> bytes:
    return hashlib.sha256(query.encode("utf-8", "surrogatepass")).digest()[:16]
