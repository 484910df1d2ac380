"""Embeddings and scores kept on disk, so that a second evaluation of the same thing computes nothing.

The key is what computed them (weights, limits) and the queries themselves; nothing is ever stale.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from routerdc.evaluation.selection import Floats, Scorer

CACHE_FOLDER = Path(".cache/evaluation")
_BLOCK = 512


class Cached:
    """A function of queries (n) → (n, columns) float32 whose results are kept in `folder`."""

    def __init__(self, compute: Scorer, identity: str, label: str, folder: Path = CACHE_FOLDER) -> None:
        """`identity`: whatever else the result depends on; `label`: what the progress bar says."""
        self._compute, self._identity, self._label, self._folder = compute, identity, label, folder

    def __call__(self, queries: Sequence[str]) -> Floats:
        path = self._folder / f"{self._key(queries)}.npy"
        if path.is_file():
            return np.asarray(np.load(path), dtype=np.float32)
        result = self._in_blocks(queries)
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}.npy")
        np.save(draft, result)
        draft.replace(path)  # whole or not at all, also when two evaluations run at once
        return result

    def _key(self, queries: Sequence[str]) -> str:
        digest = hashlib.sha256(self._identity.encode())
        for query in queries:
            text = query.encode("utf-8", "surrogatepass")
            digest.update(len(text).to_bytes(8, "little") + text)
        return digest.hexdigest()[:32]

    def _in_blocks(self, queries: Sequence[str]) -> Floats:
        """Sorted by length, so that a block has little padding; the progress bar counts queries."""
        order = sorted(range(len(queries)), key=lambda row: len(queries[row]))
        parts = []
        with tqdm(total=len(queries), desc=self._label, unit=" queries", disable=None, leave=False) as bar:
            for start in range(0, len(order), _BLOCK):
                block = [queries[row] for row in order[start : start + _BLOCK]]
                parts.append(self._compute(block))
                bar.update(len(block))
        result = np.empty((len(queries), parts[0].shape[1]), dtype=np.float32)
        result[order] = np.concatenate(parts)
        return result
