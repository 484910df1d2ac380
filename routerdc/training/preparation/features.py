"""Pooled features of a frozen encoder, kept on disk query by query: no query is ever encoded twice.

One file for each way of encoding (weights, layers, pooling, limit, side); in it a digest and a vector for each query.
So other seeds, folds and added data find what they share with earlier runs. Does not know scores or losses. Needs no
torch: who finds everything here waits for nothing.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from routerdc.training.preparation.recipe_parts import EncoderRecipe
from routerdc_contract.whole_file import whole_file

CACHE_FOLDER = Path(".cache/features")
Floats = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Floats]


class FeatureStore:
    """Features by query, in one file; `path` None: in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[bytes, Floats] | None = None

    def missing(self, queries: Sequence[str]) -> list[str]:
        """Those of `queries`, each once, that are not here yet."""
        known = self._load()
        return list({digest: query for query in queries if (digest := _digest(query)) not in known}.values())

    def add(self, queries: Sequence[str], features: Floats) -> None:
        """Keeps features, (n, width) float32; what is here already stays as it is."""
        known = self._load()
        for query, vector in zip(queries, features, strict=True):
            known.setdefault(_digest(query), vector)
        self._save(known)

    def get(self, queries: Sequence[str]) -> Floats:
        """Features, (n, width) float32.

        Raises:
            KeyError: one of `queries` is missing.
        """
        known = self._load()
        return np.stack([known[_digest(query)] for query in queries])

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
        digests = np.frombuffer(b"".join(known), dtype=np.uint8).reshape(len(known), -1)
        with whole_file(self._path) as draft:  # also when two trainings run at once
            np.savez(draft, digests=digests, features=np.stack(list(known.values())))


class FeatureCache:
    """Features of queries by one way of encoding; `path` None: kept in memory only."""

    def __init__(self, encode: Encode, path: Path | None) -> None:
        """`encode`: queries (n) → (n, width) float32."""
        self._encode, self._store = encode, FeatureStore(path)

    def missing(self, queries: Sequence[str]) -> list[str]:
        """Those of `queries`, each once, whose features would have to be computed."""
        return self._store.missing(queries)

    def __call__(self, queries: Sequence[str]) -> Floats:
        """Features, (n, width) float32; what is not known yet is computed and kept."""
        if new := self._store.missing(queries):
            self._store.add(new, self._encode(new))
        return self._store.get(queries)


def cache_file(folder: Path, recipe: EncoderRecipe, weights_sha256: str) -> Path:
    """Where the features of one way of encoding are kept."""
    what = (weights_sha256, recipe.layers, recipe.pooling, recipe.max_tokens, recipe.truncation_side)
    return folder / f"{hashlib.sha256(repr(what).encode()).hexdigest()[:24]}.npz"


def _digest(query: str) -> bytes:
    return hashlib.sha256(query.encode("utf-8", "surrogatepass")).digest()[:16]
