"""The graded training queries that lie nearest to a query, for people who ask why an LLM was chosen.

Near is what is near for the router itself: the cosine of its own embeddings. Knows nothing of Triton.
"""

import json
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

NEIGHBOURS_FILE = "neighbours.npz"  # embeddings, grades, queries, llms
SHOWN = 5


class Neighbours:
    """Training queries with each LLM's grade."""

    def __init__(
        self, embeddings: npt.NDArray[Any], grades: npt.NDArray[Any], queries: list[str], llms: list[str]
    ) -> None:
        """`embeddings`: (n, dim), unit length; `grades`: (n, n_llms), NaN where there is none."""
        self._embeddings = embeddings.astype(np.float32)
        self._grades = grades
        self._queries = queries
        self._llms = llms

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Reads `neighbours.npz`; None where the bundle has none."""
        path = folder / NEIGHBOURS_FILE
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["embeddings"], arrays["grades"], arrays["queries"].tolist(), arrays["llms"].tolist())

    def __call__(self, embedding: npt.NDArray[np.float32]) -> npt.NDArray[np.object_]:
        """For each unit embedding (batch, dim) the nearest queries, nearest first, as JSON in UTF-8: (batch,).

        `[{"query": text, "similarity": cosine, "grades": {LLM: grade}}]`; LLMs without a grade are left out.
        """
        cosines = embedding @ self._embeddings.T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :SHOWN]
        answers = np.empty(len(embedding), dtype=np.object_)
        for i, rows in enumerate(nearest):
            answers[i] = json.dumps([self._row(row, cosines[i, row]) for row in rows], ensure_ascii=False).encode()
        return answers

    def _row(self, row: int, cosine: float) -> dict[str, Any]:
        grades = zip(self._llms, self._grades[row].tolist(), strict=True)
        return {
            "query": self._queries[row],
            "similarity": round(float(cosine), 4),
            "grades": {llm: round(grade, 3) for llm, grade in grades if grade == grade},  # NaN is unlike itself
        }
