"""The encoder as an OpenVINO model in this process, on a CPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import openvino

from engines.cores import usable_cores
from engines.engine import ATTENTION_MASK, EMBEDDING, INPUT_IDS, TokenSlice

Results = dict[int, npt.NDArray[np.float32]]


class OpenVinoEngine:
    """Slices side by side, each on one thread. What a new shape needs is prepared when it comes, and kept."""

    def __init__(self, path: Path, threads: int, precision: Literal["f32", "bf16"] = "f32") -> None:
        """Loads `path` (OpenVINO's own format, or ONNX); `threads` 0 means every core that this process may use.

        `precision` of what the file leaves open, for OpenVINO itself would take bf16 where the CPU has it.
        """
        self.parallel = threads or usable_cores()
        options = {
            "INFERENCE_NUM_THREADS": self.parallel,
            "NUM_STREAMS": self.parallel,
            "INFERENCE_PRECISION_HINT": precision,
            "ENABLE_CPU_PINNING": False,  # Triton, the tokenizer and the gateway need the same cores
        }
        self._queue = openvino.AsyncInferQueue(openvino.Core().compile_model(path, "CPU", options), self.parallel)
        self._queue.set_callback(_keep)

    def embed(self, slices: Sequence[TokenSlice]) -> list[npt.NDArray[np.float32]]:
        """See `engine.Engine`."""
        results: Results = {}
        for i in reversed(range(len(slices))):  # longest first
            inputs = {INPUT_IDS: slices[i].input_ids, ATTENTION_MASK: slices[i].attention_mask}
            self._queue.start_async(inputs, (results, i), share_inputs=True)
        self._queue.wait_all()
        return [results[i] for i in range(len(slices))]


def _keep(request: Any, place: tuple[Results, int]) -> None:
    results, i = place
    results[i] = request.get_tensor(EMBEDDING).data.copy()  # the next slice reuses its memory
