"""Scores of query embeddings against the LLM embeddings (RouterDC, section 3.1).

A small table beside the engine, so that an LLM joins or leaves the pool without a new engine. Knows nothing of text or
LLM names.
"""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

LLM_EMBEDDINGS = "llm_embeddings"
LLM_BIAS = "llm_bias"
ANCHORS = "familiarity.anchors"
GATE = "familiarity.gate"
PRIOR = "familiarity.prior"


Floats = npt.NDArray[np.float32]


class Familiarity(NamedTuple):
    """How near a query is to the training queries, and what to believe of one that is not.

    `anchors`: (n_anchors, dim), whose products with embeddings are cosines; `gate`: (2,), the cosines with the nearest
    anchor at which familiarity leaves 0 and reaches 1; `prior`: (n_llms,), scores of a query of which nothing is known.
    """

    anchors: Floats
    gate: Floats
    prior: Floats

    def __call__(self, embedding: Floats) -> Floats:
        """Familiarity, (batch,), in [0, 1], of unit embeddings (batch, dim)."""
        low, high = self.gate
        nearest = (embedding @ self.anchors.T).max(axis=1)
        return np.asarray(((nearest - low) / (high - low)).clip(0, 1), dtype=np.float32)


class Head:
    """Scores by cosine: scores[j] = scale * cos(embedding, llm_embeddings[j]) + llm_bias[j].

    Where the bundle knows how familiar a query is, its scores leave the prior only so far: prior + familiarity *
    (scores - prior).
    """

    def __init__(
        self, llm_embeddings: Floats, llm_bias: Floats, scale: float, familiarity: Familiarity | None = None
    ) -> None:
        """`llm_embeddings`: (n_llms, dim) of any length; `llm_bias`: (n_llms,)."""
        unit = llm_embeddings / np.linalg.norm(llm_embeddings, axis=1, keepdims=True)
        self._table = np.ascontiguousarray((scale * unit).T, dtype=np.float32)
        self._bias = llm_bias.astype(np.float32)
        self._familiarity = familiarity

    @classmethod
    def load(cls, path: Path, scale: float) -> Self:
        """Reads `head.npz`; older bundles have no tensors for familiarity."""
        with np.load(path, allow_pickle=False) as arrays:
            known = Familiarity(arrays[ANCHORS], arrays[GATE], arrays[PRIOR]) if ANCHORS in arrays else None
            return cls(arrays[LLM_EMBEDDINGS], arrays[LLM_BIAS], scale, known)

    def __call__(self, embedding: Floats) -> tuple[Floats, Floats]:
        """Scores (batch, n_llms) and familiarity (batch,) of unit embeddings (batch, dim).

        Familiarity is NaN where the bundle does not know it.

        Raises:
            FloatingPointError: the engine gave NaN or infinity; an argmax of that would be a lie.
        """
        scores: Floats = embedding @ self._table + self._bias
        familiarity = np.full(len(embedding), np.nan, dtype=np.float32)
        if self._familiarity is not None:
            familiarity = self._familiarity(embedding)
            prior = self._familiarity.prior
            scores = prior + familiarity[:, None] * (scores - prior)
        if not np.isfinite(scores).all():
            raise FloatingPointError("the encoder gave NaN or infinity: the engine is damaged, export it again")
        return scores, familiarity
