"""Scores of query embeddings against the LLM embeddings (RouterDC, section 3.1).

A small table beside the engine, so that an LLM joins or leaves the pool without a new engine. Knows nothing of text or
LLM names.
"""

from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

LLM_EMBEDDINGS = "llm_embeddings"
LLM_BIAS = "llm_bias"


class Head:
    """Scores by cosine: scores[j] = scale * cos(embedding, llm_embeddings[j]) + llm_bias[j]."""

    def __init__(
        self, llm_embeddings: npt.NDArray[np.float32], llm_bias: npt.NDArray[np.float32], scale: float
    ) -> None:
        """`llm_embeddings`: (n_llms, dim) of any length; `llm_bias`: (n_llms,)."""
        unit = llm_embeddings / np.linalg.norm(llm_embeddings, axis=1, keepdims=True)
        self._table = np.ascontiguousarray((scale * unit).T, dtype=np.float32)
        self._bias = llm_bias.astype(np.float32)

    @classmethod
    def load(cls, path: Path, scale: float) -> Self:
        """Reads `head.npz`."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays[LLM_EMBEDDINGS], arrays[LLM_BIAS], scale)

    def scores(self, embedding: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Scores (batch, n_llms) of unit embeddings (batch, dim).

        Raises:
            FloatingPointError: the engine gave NaN or infinity; an argmax of that would be a lie.
        """
        scores: npt.NDArray[np.float32] = embedding @ self._table + self._bias
        if not np.isfinite(scores).all():
            raise FloatingPointError("the encoder gave NaN or infinity: the engine is damaged, export it again")
        return scores
