"""Answers to a few real queries, as they were when the export compared the router with the trained one.

A version of the model proves itself on them, on the machine and with the engine that will serve, before Triton lets it
take over from the version in use. Knows nothing of Triton or of how answers are computed.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

REFERENCE_FILE = "reference.json"  # queries, scores, max_score_error

Scores = npt.NDArray[np.float32]


class WrongAnswersError(RuntimeError):
    """This version does not answer like the router that was trained; the message says how far off it is."""


class Reference:
    """Queries, what was answered, and how far another answer may be from it."""

    def __init__(self, queries: Sequence[str], scores: Scores, max_score_error: float) -> None:
        """`scores`: (n, n_llms)."""
        self._queries = queries
        self._scores = scores
        self._max_score_error = max_score_error

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads `reference.json`.

        Raises:
            FileNotFoundError: the folder is not a filled version of the model.
        """
        path = folder / REFERENCE_FILE
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: fill the repository with `routerdc export`")
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(content["queries"], np.array(content["scores"], np.float32), content["max_score_error"])

    def check(self, scores_of: Callable[[Sequence[str]], Scores]) -> None:
        """Asks `scores_of` all queries at once; scores are (n, n_llms).

        Raises:
            WrongAnswersError: its answers are other ones.
        """
        scores = scores_of(self._queries)
        if scores.shape != self._scores.shape:
            raise WrongAnswersError(f"scores are {scores.shape}, those of the reference {self._scores.shape}")
        error = float(np.abs(scores - self._scores).max())
        if not error <= self._max_score_error:
            raise WrongAnswersError(
                f"scores of the reference queries are off by {error:.2g}, allowed is {self._max_score_error:.2g}: "
                "export the bundle again"
            )
