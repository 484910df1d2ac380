"""The encoder as an ONNX graph in this process, computed by ONNX Runtime on an NVIDIA GPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.engine import ATTENTION_MASK, EMBEDDING, INPUT_IDS, TokenSlice
from engines.quiet_onnxruntime import onnxruntime

CUDA = "CUDAExecutionProvider"
_DEVICES = {CUDA: "cuda"}
_OPTIONS = {CUDA: {"use_tf32": "0"}}  # fp32 means fp32; who wants speed exports fp16


class OnnxRuntimeCudaEngine:
    """All slices of a batch are queued on the GPU before the first result is fetched."""

    parallel = 1

    def __init__(self, path: Path, provider: str = CUDA) -> None:
        """Loads `path`.

        Raises:
            RuntimeError: this ONNX Runtime has no such provider, or it found no device.
        """
        options = onnxruntime.SessionOptions()
        options.enable_mem_pattern = False  # one pattern would be kept for every shape ever seen
        if provider not in onnxruntime.get_available_providers():
            raise RuntimeError(f"this onnxruntime has no {provider}: install onnxruntime-gpu in its place")
        if provider == CUDA:
            onnxruntime.preload_dlls()  # CUDA from NVIDIA's Python packages, where the system has none
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=[(provider, _OPTIONS.get(provider, {}))]
        )
        if self._session.get_providers()[0] != provider:  # it falls back to the CPU with no more than a warning
            raise RuntimeError(f"{provider} found no device to run on")
        self._device = _DEVICES.get(provider, "cpu")
        self._queue = onnxruntime.RunOptions()
        self._queue.add_run_config_entry("disable_synchronize_execution_providers", "1")

    def embed(self, slices: Sequence[TokenSlice]) -> list[npt.NDArray[np.float32]]:
        """See `engine.Engine`."""
        bindings = [self._queued(part) for part in slices]
        bindings[-1].synchronize_outputs()  # the device's whole work
        return [binding.copy_outputs_to_cpu()[0] for binding in bindings]

    def _queued(self, part: TokenSlice) -> Any:
        binding = self._session.io_binding()
        binding.bind_cpu_input(INPUT_IDS, part.input_ids)
        binding.bind_cpu_input(ATTENTION_MASK, part.attention_mask)
        binding.bind_output(EMBEDDING, self._device)
        self._session.run_with_iobinding(binding, self._queue)
        return binding
