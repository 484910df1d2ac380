"""The seam behind which the encoder runs, and its ONNX Runtime side. Knows nothing of text or LLMs."""

import os
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime

INPUT_IDS = "input_ids"
ATTENTION_MASK = "attention_mask"
EMBEDDING = "embedding"


class Engine(Protocol):
    """Token ids in, query embeddings out."""

    def embed(self, input_ids: npt.NDArray[np.int32], attention_mask: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Unit embeddings (batch, dim) of two (batch, sequence) arrays."""
        ...


class OnnxRuntimeEngine:
    """The encoder as an ONNX graph on the CPU."""

    def __init__(self, path: Path, threads: int) -> None:
        """Loads `path`; `threads` 0 means every core that this process may use."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # one pattern would be kept for every shape ever seen
        # Idle threads sleep: Triton, the tokenizer and the gateway need the same cores (docs/design, 2026-11-22).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def embed(self, input_ids: npt.NDArray[np.int32], attention_mask: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """See `Engine`."""
        feeds = {INPUT_IDS: input_ids, ATTENTION_MASK: attention_mask}
        embedding: npt.NDArray[np.float32] = self._session.run([EMBEDDING], feeds)[0]
        return embedding
