"""Tensors between NumPy 2 and a Python stub of Triton that was built for NumPy 1.

Triton 2.51 (the wheel nvidia-pytriton) has such a stub for every Python, and Python 3.13 has no NumPy 1. The stub's
pybind11 (before 2.12) reads an element's size where NumPy 1 kept it. NumPy 2 has its flags there, 0 for numbers: inputs
are made with strides of 0 bytes, which repeats their first byte, and outputs count as empty. Shapes and memory are
right. So inputs are made without strides, which NumPy then computes itself; numbers go out by DLPack, which states
sizes; and bytes go out as elements of a type whose flags say 1. With NumPy 1 nothing is changed.
"""

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt
import triton_python_backend_utils as pb_utils

NUMPY_2 = np.lib.NumpyVersion(np.__version__) >= "2.0.0"
# NumPy's table of C functions is part of its binary interface: PyArray_NewFromDescr is number 94 in every version.
_NEW_FROM_DESCR = 94
_POINTER, _INT = ctypes.c_void_p, ctypes.c_int
# (subtype, descr, nd, dims, strides, data, flags, obj) -> the array
_SIGNATURE = ctypes.PYFUNCTYPE(_POINTER, _POINTER, _POINTER, _INT, _POINTER, _POINTER, _POINTER, _INT, _POINTER)
_SET_NAME = ctypes.PYFUNCTYPE(_INT, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", ctypes.pythonapi))
_CONSUMED = b"used_dltensor"
_BYTE = np.dtype([("byte", np.uint8)])  # an object of our own, unlike np.uint8, so that its flags can be set
_FLAGS = ctypes.c_uint32.from_address(id(_BYTE) + 32)
_callbacks: list[Any] = []  # C code holds their addresses as long as the process lives


def accept_inputs() -> None:
    """Lets the stub make arrays of NumPy 2; to be called before the first request.

    The stub looks NumPy's functions up at its first array, and keeps what it found. Only then is ours in the table, so
    no other library sees it.
    """
    if not NUMPY_2 or _callbacks:
        return
    serialize = pb_utils.serialize_byte_tensor
    pb_utils.serialize_byte_tensor = lambda values: _counted(serialize(values))
    table = _numpy_functions()
    original = table[_NEW_FROM_DESCR]
    make_array = _SIGNATURE(original)

    def without_strides(*arguments: Any) -> Any:
        subtype, descr, nd, dims, _strides, data, flags, obj = arguments
        return make_array(subtype, descr, nd, dims, None, data, flags, obj)

    _callbacks.append(_SIGNATURE(without_strides))
    table[_NEW_FROM_DESCR] = ctypes.cast(_callbacks[0], _POINTER).value
    try:
        pb_utils.Tensor("first", np.zeros(1, np.uint8))
    finally:
        table[_NEW_FROM_DESCR] = original


def _numpy_functions() -> Any:
    """NumPy's table of C functions, as an array of addresses."""
    from numpy._core import _multiarray_umath as numpy_core  # under this name in NumPy 2 only

    address = ctypes.PYFUNCTYPE(_POINTER, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))
    return ctypes.cast(address(vars(numpy_core)["_ARRAY_API"], None), ctypes.POINTER(_POINTER))


def output(name: str, values: npt.NDArray[Any]) -> Any:
    """The output tensor `name`, a Triton `Tensor`, with `values` (any shape, C-contiguous)."""
    if not NUMPY_2:
        return pb_utils.Tensor(name, values)
    if values.dtype == np.object_:
        try:
            return pb_utils.Tensor(name, values)
        finally:
            _FLAGS.value = 0
    capsule = values.__dlpack__()
    tensor = pb_utils.Tensor.from_dlpack(name, capsule)
    _SET_NAME(capsule, _CONSUMED)  # the stub gives it a name that NumPy takes for an error
    return tensor


def _counted(serialized: bytes) -> npt.NDArray[Any]:
    """`serialized` as an array of which the stub sees every byte, until the flags are set back."""
    array = np.frombuffer(serialized, _BYTE)
    _FLAGS.value = 1
    return array
