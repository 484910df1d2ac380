"""The seam behind which the encoder runs: token ids in, embeddings out. Knows nothing of text, LLMs or any runtime."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

INPUT_IDS = "input_ids"
ATTENTION_MASK = "attention_mask"
EMBEDDING = "embedding"


class TokenSlice(NamedTuple):
    """Rows of similar length for one computation; both arrays are (batch, sequence)."""

    input_ids: npt.NDArray[np.int32]
    attention_mask: npt.NDArray[np.int32]


class Engine(Protocol):
    """Token ids in, query embeddings out."""

    parallel: int
    """slices that it computes at the same time; 1 where each has the whole device"""

    def embed(self, slices: Sequence[TokenSlice]) -> list[npt.NDArray[np.float32]]:
        """Unit embeddings (batch, dim) of each slice, in their order; may compute several at the same time."""
        ...
