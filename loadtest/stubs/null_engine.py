"""An engine that answers at once, with equal embeddings: what is left is the host's share of Triton's model.

`loadtest.servers.null_repository` puts this file in the place of the model's own `onnxruntime_engine.py`, so it imports
what lies beside it there.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


class OnnxRuntimeEngine:
    """Has the name and the signature of the engine whose place it takes."""

    def __init__(self, model: Path, threads: int) -> None:
        with np.load(model.with_name("head.npz")) as head:
            dim = head["llm_embeddings"].shape[1]
        self._embedding = np.full((1, dim), dim**-0.5, dtype=np.float32)
        self.parallel = max(1, threads)

    def embed(self, slices: Sequence[Any]) -> list[Any]:
        """The same unit embedding for every row of each slice."""
        return [np.repeat(self._embedding, len(part.input_ids), axis=0) for part in slices]


def accept_any_score(reference: Path) -> None:
    """Lets a version of the model load whatever it answers to its reference queries."""
    content = json.loads(reference.read_text(encoding="utf-8"))
    reference.write_text(json.dumps({**content, "max_score_error": 1e9}), encoding="utf-8")
