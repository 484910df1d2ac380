"""The encoder as an ONNX graph in this process, computed by ONNX Runtime on the CPU."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from cores import usable_cores
from engine import ATTENTION_MASK, EMBEDDING, INPUT_IDS, TokenSlice


class OnnxRuntimeEngine:
    """The encoder as an ONNX graph in this process."""

    def __init__(self, path: Path, threads: int) -> None:
        """Loads `path`; `threads` 0 means every core that this process may use."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # one pattern would be kept for every shape ever seen
        # Idle threads sleep: Triton, the tokenizer and the gateway need the same cores (docs/design, 2026-11-22).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def embed(self, slices: Sequence[TokenSlice]) -> list[npt.NDArray[np.float32]]:
        """See `Engine`; one slice after the other."""
        feeds = ({INPUT_IDS: part.input_ids, ATTENTION_MASK: part.attention_mask} for part in slices)
        return [self._session.run([EMBEDDING], feed)[0] for feed in feeds]
