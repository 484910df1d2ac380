"""The encoder as an ONNX graph in this process, computed by ONNX Runtime on the CPU."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engines.cores import has_vnni, usable_cores
from engines.engine import ATTENTION_MASK, EMBEDDING, INPUT_IDS, TokenSlice
from engines.quiet_onnxruntime import onnxruntime

SHARED_TOKENS = 128
"""One thread computes a slice of fewer tokens sooner than several that wait for each other: see
docs/explanation/cpu-engine.md."""


class OnnxRuntimeEngine:
    """Slices side by side, each on one thread, which computes most per core; a few large ones each on all threads."""

    def __init__(self, path: Path, threads: int) -> None:
        """Loads `path`; `threads` 0 means every core that this process may use."""
        self.parallel = threads or usable_cores()
        self._on_one = _session(path, 1)
        self._on_all = _session(path, self.parallel) if self.parallel > 1 else self._on_one
        self._pool = ThreadPoolExecutor(self.parallel)

    def embed(self, slices: Sequence[TokenSlice]) -> list[npt.NDArray[np.float32]]:
        """See `engine.Engine`."""
        largest = max(part.input_ids.size for part in slices)
        if 2 * len(slices) <= self.parallel and largest >= SHARED_TOKENS:
            return [_embed(self._on_all, part) for part in slices]
        if len(slices) == 1:
            return [_embed(self._on_one, slices[0])]
        longest_first = self._pool.map(lambda part: _embed(self._on_one, part), reversed(slices))
        return [*longest_first][::-1]


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # one pattern would be kept for every shape ever seen
    # Idle threads sleep: Triton, the tokenizer and the gateway need the same cores (docs/explanation/cpu-engine.md).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # CPUs without VNNI add up products of uint8 and int8 in 16 bits and cut what is larger; they get exact kernels
    # instead. With VNNI all kernels are exact, and these ones take nearly twice as long.
    if not has_vnni():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _embed(session: onnxruntime.InferenceSession, part: TokenSlice) -> npt.NDArray[np.float32]:
    feed = {INPUT_IDS: part.input_ids, ATTENTION_MASK: part.attention_mask}
    embedding: npt.NDArray[np.float32] = session.run([EMBEDDING], feed)[0]
    return embedding
