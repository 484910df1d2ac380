"""A GPU of bytes: CUDA's runtime and TensorRT for RTX as far as the engine uses them, for what needs a device.

An "embedding" is [sum of a row's ids that the mask shows, number of tokens shown, width of the slice]. Work that is
queued happens when the stream is waited for, so a result that is fetched too early, or memory used twice, shows.
"""

import ctypes
from collections.abc import Callable
from enum import Enum
from types import SimpleNamespace
from typing import Any

import numpy as np

DIM = 3
PROFILES = [((1, 2), (4, 8), (4, 8)), ((1, 9), (4, 16), (4, 16))]


class Status(Enum):
    """As cudaError_t."""

    cudaSuccess = 0  # noqa: N815
    cudaErrorMemoryAllocation = 2  # noqa: N815


class FakeCuda:
    """cuda.bindings.runtime."""

    cudaStreamNonBlocking = 1  # noqa: N815
    cudaError_t = Status  # noqa: N815
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice="up", cudaMemcpyDeviceToHost="down")  # noqa: N815

    def __init__(self, memory_bytes: int = 1 << 20) -> None:
        self.memory = bytearray(memory_bytes)
        self.free_from = 256
        self.queue: list[Callable[[], None]] = []

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Status, int]:  # noqa: N802
        return Status.cudaSuccess, 7

    def cudaMalloc(self, size: int) -> tuple[Status, int]:  # noqa: N802
        start = self.free_from
        if start + size > len(self.memory):
            return Status.cudaErrorMemoryAllocation, 0
        self.free_from += -(-size // 256) * 256
        return Status.cudaSuccess, start

    def cudaFree(self, address: int) -> tuple[Status]:  # noqa: N802
        assert not self.queue, "memory is freed that queued work needs"
        return (Status.cudaSuccess,)

    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: str, stream: int) -> tuple[Status]:  # noqa: N802
        if kind == "up":
            staged = ctypes.string_at(source, size)
            self.queue.append(lambda: self._write(target, staged))
        else:
            self.queue.append(lambda: self._read(target, source, size))
        return (Status.cudaSuccess,)

    def cudaStreamSynchronize(self, stream: int) -> tuple[Status]:  # noqa: N802
        for work in self.queue:
            work()
        self.queue.clear()
        return (Status.cudaSuccess,)

    def array(self, address: int, dtype: Any, shape: tuple[int, ...]) -> Any:
        return np.frombuffer(self.memory, dtype, int(np.prod(shape)), address).reshape(shape)

    def _read(self, target: int, address: int, size: int) -> None:
        ctypes.memmove(target, bytes(self.memory[address : address + size]), size)

    def _write(self, address: int, content: bytes) -> None:
        self.memory[address : address + len(content)] = content


class FakeContext:
    """IExecutionContext."""

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.profile: Any = None
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        self.profile = PROFILES[index]
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, most = self.profile
        assert all(low <= size <= high for low, size, high in zip(least, shape, most, strict=True)), "not its profile"
        self.shapes[name] = shape
        return True

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert address % 256 == 0
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        shape, addresses = self.shapes["input_ids"], dict(self.addresses)

        def work() -> None:
            ids, mask = (self.cuda.array(addresses[name], np.int32, shape) for name in ("input_ids", "attention_mask"))
            output = self.cuda.array(addresses["embedding"], np.float32, (shape[0], DIM))
            output[:] = np.stack([(ids * mask).sum(1), mask.sum(1), np.full(shape[0], shape[1])], axis=1)

        self.cuda.queue.append(work)
        return True


class FakeTensorRt:
    """tensorrt_rtx_bindings."""

    CudaGraphStrategy = SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole")

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.strategies: list[str] = []

    def Runtime(self, log: Any) -> Any:  # noqa: N802
        return SimpleNamespace(deserialize_cuda_engine=lambda plan: self._engine())

    def _engine(self) -> Any:
        return SimpleNamespace(
            num_optimization_profiles=len(PROFILES),
            get_tensor_shape=lambda name: (-1, DIM),
            get_tensor_profile_shape=lambda name, index: PROFILES[index],
            create_runtime_config=SimpleNamespace,
            create_execution_context=self._context,
        )

    def _context(self, config: Any) -> FakeContext:
        self.strategies.append(config.cuda_graph_strategy)
        return FakeContext(self.cuda)
