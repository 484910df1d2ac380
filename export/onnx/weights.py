"""Which initializer of a graph is which tensor of a safetensors file: found by content, kept by name.

So a graph travels without its weights (kilobytes instead of megabytes) and gets them back wherever the pinned encoder
is available. Does not know how a graph is traced or run.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from pydantic import BaseModel, ConfigDict, TypeAdapter
from safetensors import safe_open

from export.domain.errors import ExportError

Source = Literal["encoder", "bundle"]
Array = npt.NDArray[np.generic]
SMALLEST_MATCHED_BYTES = 256  # below, an entry in the table costs more than the tensor itself


class WeightRef(BaseModel):
    """Where an initializer's values are: a tensor of the encoder's or the bundle's safetensors file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    source: Source
    tensor: str
    transpose: bool = False


Refs = TypeAdapter(dict[str, WeightRef])


def take_out(graph: onnx.ModelProto, files: Mapping[Source, Path]) -> dict[str, WeightRef]:
    """Removes from `graph` every initializer whose values are in one of `files`; returns where each of them is."""
    known = dict(_fingerprints(files))
    refs: dict[str, WeightRef] = {}
    kept = []
    for initializer in graph.graph.initializer:
        array = numpy_helper.to_array(initializer)
        ref = known.get(_fingerprint(array)) if array.nbytes >= SMALLEST_MATCHED_BYTES else None
        if ref is None:
            kept.append(initializer)
        else:
            refs[initializer.name] = ref
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
    return refs


def put_back(graph: onnx.ModelProto, refs: Mapping[str, WeightRef], files: Mapping[Source, Path]) -> None:
    """Adds the initializers in `refs` to `graph`, with their values from `files`.

    Raises:
        ExportError: a tensor is missing, or the file is no safetensors file.
    """
    for source, path in files.items():
        wanted = {name: ref for name, ref in refs.items() if ref.source == source}
        arrays = read_tensors(path, {ref.tensor for ref in wanted.values()})
        for name, ref in wanted.items():
            array = arrays[ref.tensor].T if ref.transpose else arrays[ref.tensor]
            graph.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))


def read_tensors(path: Path, names: Iterable[str] | None = None) -> dict[str, Array]:
    """Tensors of a safetensors file by name (None: all); float16 is widened to float32, as torch's side loads it.

    Raises:
        ExportError: no such file or tensor.
    """
    if path.suffix != ".safetensors":
        raise ExportError(f"{path}: export reads weights from safetensors files only: convert the encoder first")
    with safe_open(path, framework="np") as file:
        present = set(file.keys())
        wanted = present if names is None else set(names)
        if missing := sorted(wanted - present):
            raise ExportError(f"{path}: tensors are missing: {', '.join(missing)}: trace the graph of this bundle anew")
        return {name: _widened(file.get_tensor(name)) for name in sorted(wanted)}


def _fingerprints(files: Mapping[Source, Path]) -> Iterator[tuple[str, WeightRef]]:
    for source, path in files.items():
        for name, array in read_tensors(path).items():
            if array.ndim == 2:
                yield _fingerprint(array.T), WeightRef(source=source, tensor=name, transpose=True)
            yield _fingerprint(array), WeightRef(source=source, tensor=name)


def _fingerprint(array: Array) -> str:
    return f"{array.dtype}{array.shape}{hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()}"


def _widened(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype == np.float16 else array
