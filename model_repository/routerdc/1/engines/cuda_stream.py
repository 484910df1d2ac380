"""What an in-process engine needs of CUDA's runtime: one stream, device memory that grows, and copies in order.

Knows nothing of engines or tokens.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from cuda.bindings import runtime

ALIGNMENT = 256  # of the addresses that TensorRT takes


class CudaError(RuntimeError):
    """CUDA refused a call; the message has its name for the reason."""


class Stream:
    """A CUDA stream: what is queued on it happens in order, while the caller goes on."""

    def __init__(self) -> None:
        """Raises: CudaError: there is no GPU, or no driver for it."""
        self.handle = int(_checked(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking)))

    def upload(self, values: npt.NDArray[Any], buffer: "DeviceBuffer") -> None:
        """Queues a copy of `values`, for which `buffer` has room; they may change as soon as this returns."""
        kind = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        _checked(runtime.cudaMemcpyAsync(buffer.address, values.ctypes.data, values.nbytes, kind, self.handle))

    def download(self, address: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """What lies at `address` once everything queued before has happened."""
        values = np.empty(shape, np.float32)
        kind = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _checked(runtime.cudaMemcpyAsync(values.ctypes.data, address, values.nbytes, kind, self.handle))
        _checked(runtime.cudaStreamSynchronize(self.handle))
        return values


class DeviceBuffer:
    """Device memory that is kept and grows; what was in it is lost when it does."""

    def __init__(self) -> None:
        self.address = 0
        self._size = 0

    def reserve(self, size_bytes: int) -> None:
        """At least so many bytes. Waits for the device where it has to grow.

        Raises:
            CudaError: the device has no more.
        """
        if size_bytes <= self._size:
            return
        if self.address:
            _checked(runtime.cudaFree(self.address))
        self.address, self._size = int(_checked(runtime.cudaMalloc(size_bytes))), size_bytes


def aligned(size_bytes: int) -> int:
    """`size_bytes`, rounded up so that the next thing may begin there."""
    return -(-size_bytes // ALIGNMENT) * ALIGNMENT


def _checked(answer: tuple[Any, ...]) -> Any:
    """The value of a call, which comes behind its status."""
    status = answer[0]
    if status != runtime.cudaError_t.cudaSuccess:
        raise CudaError(f"{status.name}: no usable GPU or driver, or its memory is full")
    return answer[1] if len(answer) > 1 else None
