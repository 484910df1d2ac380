"""What the inputs of an encoder's products with weights look like on calibration queries.

Does not know where these queries come from or to what the products will be rounded.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import NodeProto, TensorProto, helper

from routerdc_contract.tensors import ATTENTION_MASK, INPUT_IDS

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Range:
    """What the calibration queries showed of one product's input, channel by channel; both (channels,)."""

    lowest: Floats
    highest: Floats

    def __or__(self, other: "Range") -> "Range":
        return Range(np.minimum(self.lowest, other.lowest), np.maximum(self.highest, other.highest))

    @classmethod
    def of(cls, values: Floats) -> "Range":
        """`values`: (…, channels)."""
        rows = values.reshape(-1, values.shape[-1])
        return cls(rows.min(axis=0), rows.max(axis=0))


def calibrate(model: onnx.ModelProto, rows: Iterable[npt.NDArray[np.int32]]) -> dict[str, Range]:
    """Ranges of the inputs of all products with weights, by name; `rows`: token ids of one query each."""
    names = list(weights_of(model))
    if not names:  # an encoder without layers: look-ups only
        return {}
    divided = narrow(model)
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    ranges: dict[str, Range] = {}
    for ids in rows:
        values = session.run(names, {INPUT_IDS: ids[None], ATTENTION_MASK: np.ones_like(ids[None])})
        for name, value in zip(names, values, strict=True):
            seen = Range.of(value / np.abs(value).max(axis=-1, keepdims=True) if name in divided else value)
            ranges[name] = ranges[name] | seen if name in ranges else seen
    return ranges


def products(model: onnx.ModelProto) -> list[NodeProto]:
    """Those with weights."""
    weights = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    return [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in weights]


def weights_of(model: onnx.ModelProto) -> dict[str, list[str]]:
    """The weights that each input of a product is multiplied with."""
    readers: dict[str, list[str]] = {}
    for node in products(model):
        readers.setdefault(node.input[0], []).append(node.input[1])
    return readers


def narrow(model: onnx.ModelProto) -> set[str]:
    """Inputs of products that are wider than all that is made of them."""
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    return {
        value
        for value, weights in weights_of(model).items()
        if shapes[weights[0]][0] > sum(shapes[weight][1] for weight in weights)
    }
