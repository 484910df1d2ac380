"""The encoder as a plan of TensorRT for RTX in this process, on an NVIDIA GPU of compute capability 8.0 or later.

The plan was built elsewhere, ahead of time; its kernels are finished here, when it is first used.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorrt_rtx_bindings as trt

from engines.cuda_stream import DeviceBuffer, Stream, aligned
from engines.engine import ATTENTION_MASK, EMBEDDING, INPUT_IDS, TokenSlice

_FLOAT_BYTES = 4


class _Profile(NamedTuple):
    """An optimization profile with its own execution context, so that changing over waits for nothing."""

    rows: int
    width: int
    context: "trt.IExecutionContext"


class TensorRtRtxEngine:
    """All slices of a batch are queued on one stream before the first result is fetched."""

    parallel = 1

    def __init__(self, path: Path) -> None:
        """Loads the plan in `path`.

        Raises:
            RuntimeError: no GPU or driver, or the plan is damaged or belongs to another version; the message holds what
                TensorRT said.
        """
        self._log = _Log()
        self._runtime = trt.Runtime(self._log)  # lives as long as its engine
        engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
        if engine is None:
            raise RuntimeError(f"{path}: TensorRT for RTX cannot load it: {'; '.join(self._log.messages)}")
        self._engine = engine
        self._dim = int(engine.get_tensor_shape(EMBEDDING)[1])
        self._stream = Stream()
        self._inputs = {name: DeviceBuffer() for name in (INPUT_IDS, ATTENTION_MASK)}
        self._output = DeviceBuffer()
        self._profiles = [self._profile(i) for i in range(engine.num_optimization_profiles)]

    def embed(self, slices: Sequence[TokenSlice]) -> list[npt.NDArray[np.float32]]:
        """See `engine.Engine`.

        Raises:
            RuntimeError: a slice fits no profile, or the GPU failed.
        """
        sizes = [aligned(len(part.input_ids) * self._dim * _FLOAT_BYTES) for part in slices]
        starts = np.cumsum([0, *sizes]).tolist()
        self._reserve(slices, starts[-1])
        for part, start in zip(slices, starts[:-1], strict=True):
            self._queue(part, self._output.address + start)
        floats = self._stream.download(self._output.address, (starts[-1] // _FLOAT_BYTES,))
        return [
            floats[start // _FLOAT_BYTES :][: len(part.input_ids) * self._dim].reshape(-1, self._dim)
            for part, start in zip(slices, starts[:-1], strict=True)
        ]

    def _reserve(self, slices: Sequence[TokenSlice], output_bytes: int) -> None:
        """Before anything is queued: memory that grows later would be taken from what still computes."""
        for buffer in self._inputs.values():
            buffer.reserve(max(part.input_ids.nbytes for part in slices))
        self._output.reserve(output_bytes)

    def _queue(self, part: TokenSlice, output: int) -> None:
        context = self._context(*part.input_ids.shape)
        for name, values in ((INPUT_IDS, part.input_ids), (ATTENTION_MASK, part.attention_mask)):
            self._stream.upload(values, self._inputs[name])
            context.set_input_shape(name, values.shape)
            context.set_tensor_address(name, self._inputs[name].address)
        context.set_tensor_address(EMBEDDING, output)
        if not context.execute_async_v3(self._stream.handle):
            raise RuntimeError(f"TensorRT for RTX: {'; '.join(self._log.messages)}")

    def _context(self, rows: int, width: int) -> "trt.IExecutionContext":
        for profile in self._profiles:
            if rows <= profile.rows and width <= profile.width:
                return profile.context
        raise RuntimeError(f"the plan has no profile for {rows} rows of {width} tokens: build it again")

    def _profile(self, index: int) -> _Profile:
        config = self._engine.create_runtime_config()
        config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        context = self._engine.create_execution_context(config)
        if not context.set_optimization_profile_async(index, self._stream.handle):
            raise RuntimeError(f"TensorRT for RTX: {'; '.join(self._log.messages)}")
        most = self._engine.get_tensor_profile_shape(INPUT_IDS, index)[2]
        return _Profile(int(most[0]), int(most[1]), context)


class _Log(trt.ILogger):  # type: ignore[misc]  # Any, where the bindings have no stub
    """Keeps warnings and errors for messages of ours."""

    def __init__(self) -> None:
        trt.ILogger.__init__(self)
        self.messages: list[str] = []

    def log(self, severity: "trt.ILogger.Severity", msg: str) -> None:
        """Called by TensorRT."""
        if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
            self.messages = [*self.messages[-9:], msg]
