"""Text to scores: tokenize the whole batch, slice it by length, embed slice by slice, score.

Reads the files that `routerdc export` puts beside this one. Knows nothing of Triton.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from engines.engine import Engine
from engines.load import load_engine
from head import Head
from neighbours import Neighbours
from settings import Settings
from tokens.slicing import pad, padded_rows, slices, widths
from tokens.tokenization import Tokenization

HEAD_FILE = "head.npz"
TOKENIZER_FILE = "tokenizer.json"
ROUTER_FILE = "router.json"  # bundle_id, llms, scale, max_tokens, truncation_side


@dataclass(frozen=True)
class Routing:
    """Answers to n texts, row by row."""

    choice: npt.NDArray[np.int32]
    """(n,) argmax of scores"""
    scores: npt.NDArray[np.float32]
    """(n, n_llms)"""
    token_count: npt.NDArray[np.int32]
    """(n,)"""
    truncated: npt.NDArray[np.bool_]
    """(n,)"""
    embedding: npt.NDArray[np.float32]
    """(n, dim), unit length"""
    familiarity: npt.NDArray[np.float32]
    """(n,) in [0, 1]; NaN where the bundle does not know it"""


class Pipeline:
    """Everything between a text and its scores."""

    def __init__(
        self,
        bundle_id: str,
        tokenization: Tokenization,
        engine: Engine,
        head: Head,
        slice_tokens: int,
        width_multiple: int = 1,
        row_counts: Sequence[int] = (),
        neighbours: Neighbours | None = None,
    ) -> None:
        """`slice_tokens`, `width_multiple`, `row_counts`: see `Settings`; `neighbours`: None where there are none."""
        self.bundle_id = bundle_id
        self._tokenization = tokenization
        self._engine = engine
        self._head = head
        self._slice_tokens = slice_tokens
        self._width_multiple = width_multiple
        self._row_counts = row_counts
        self.neighbours = neighbours

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> Self:
        """Reads the artefacts in `folder`.

        Raises:
            FileNotFoundError: the folder is not a filled version of the model.
        """
        if not (folder / ROUTER_FILE).is_file():
            raise FileNotFoundError(f"{folder}: {ROUTER_FILE} is missing: fill the repository with `routerdc export`")
        return cls.around(load_engine(folder, settings), folder, settings)

    @classmethod
    def around(cls, engine: Engine, folder: Path, settings: Settings) -> Self:
        """`engine` with all else from `folder`."""
        router = json.loads((folder / ROUTER_FILE).read_text(encoding="utf-8"))
        return cls(
            router["bundle_id"],
            Tokenization.load(folder / TOKENIZER_FILE, router["max_tokens"], router["truncation_side"]),
            engine,
            Head.load(folder / HEAD_FILE, router["scale"]),
            settings.slice_tokens,
            settings.width_multiple,
            settings.row_counts,
            Neighbours.load(folder),
        )

    def route(self, texts: Sequence[str]) -> Routing:
        """Answers to `texts` (at least one), in their order."""
        tokens = self._tokenization.encode(texts)
        embedding = self._embed([row.ids for row in tokens])
        scores, familiarity = self._head(embedding)
        return Routing(
            choice=scores.argmax(axis=1).astype(np.int32),
            scores=scores,
            token_count=np.array([len(row.ids) for row in tokens], dtype=np.int32),
            truncated=np.array([row.truncated for row in tokens], dtype=np.bool_),
            embedding=embedding,
            familiarity=familiarity,
        )

    def _embed(self, ids: list[npt.NDArray[np.int32]]) -> npt.NDArray[np.float32]:
        width = widths([len(row) for row in ids], self._width_multiple, self._tokenization.max_tokens)
        order = list(slices(width, self._slice_tokens, self._engine.parallel))
        parts = [
            pad([ids[row] for row in rows], width[rows[-1]], padded_rows(len(rows), self._row_counts)) for rows in order
        ]
        embedded = zip(self._engine.embed(parts), order, strict=True)
        sorted_rows: npt.NDArray[np.float32] = np.concatenate([part[: len(rows)] for part, rows in embedded])
        embedding: npt.NDArray[np.float32] = np.empty_like(sorted_rows)
        embedding[np.concatenate(order)] = sorted_rows
        return embedding
