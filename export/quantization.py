"""int8 in the graph itself, by standard QuantizeLinear/DequantizeLinear nodes around the products with weights.

Weights: one scale per output channel. Their inputs: one range each, measured once on calibration queries, so an answer
does not depend on what else is in its batch, as it would with a range taken from the batch. One range must do for all
tokens and channels, and a few of them are far larger than all others, so they are brought to one size first:

    wide output     channels hand part of their size on to the weights (SmoothQuant, Xiao et al., ICML 2023)
    narrow output   every token is divided by its largest value, and the product multiplied by it again

The first costs one multiplication of the input, the second one of the output besides, but what follows a GELU needs it:
there the size sits in single tokens ([CLS], [SEP]). The word embeddings are int8, too, a scale for each word. All else
stays fp32.

Does not know where calibration queries come from or what computes the graph.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import NodeProto, TensorProto, helper, numpy_helper

from contract.tensors import ATTENTION_MASK, INPUT_IDS
from export.rewriting import emptied, renamed

Floats = npt.NDArray[np.float32]
SMOOTHING = 0.65
"""share of a channel's size that goes to the weights"""
LARGEST_WEIGHT = 127
LOOKUP_ROWS = 1024
"""a table with as many rows is worth being int8: the word embeddings, not the positions"""


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
    names = list(_weights_of(model))
    narrow = _narrow(model)
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    ranges: dict[str, Range] = {}
    for ids in rows:
        values = session.run(names, {INPUT_IDS: ids[None], ATTENTION_MASK: np.ones_like(ids[None])})
        for name, value in zip(names, values, strict=True):
            seen = Range.of(value / np.abs(value).max(axis=-1, keepdims=True) if name in narrow else value)
            ranges[name] = ranges[name] | seen if name in ranges else seen
    return ranges


def to_int8(model: onnx.ModelProto, ranges: dict[str, Range]) -> onnx.ModelProto:
    """An int8 copy of an fp32 `model`; `ranges` as `calibrate` gives them."""
    return _Quantizer(model, ranges).result()


def _products(model: onnx.ModelProto) -> list[NodeProto]:
    weights = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    return [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in weights]


def _weights_of(model: onnx.ModelProto) -> dict[str, list[str]]:
    """The weights that each input of a product is multiplied with."""
    readers: dict[str, list[str]] = {}
    for node in _products(model):
        readers.setdefault(node.input[0], []).append(node.input[1])
    return readers


def _narrow(model: onnx.ModelProto) -> set[str]:
    """Inputs of products that are wider than all that is made of them."""
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    return {
        value
        for value, weights in _weights_of(model).items()
        if shapes[weights[0]][0] > sum(shapes[weight][1] for weight in weights)
    }


class _Quantizer:
    """One pass over the nodes in their order."""

    def __init__(self, model: onnx.ModelProto, ranges: dict[str, Range]) -> None:
        self._model = model
        self._ranges = ranges
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._readers = _weights_of(model)
        self._narrow = _narrow(model)
        self._nodes: list[NodeProto] = []
        self._made: dict[str, TensorProto] = {}
        self._divisors: dict[str, Floats] = {}

    def result(self) -> onnx.ModelProto:
        """The graph whose products and large lookups are int8; made once."""
        products = {node.output[0] for node in _products(self._model)}
        for node in self._model.graph.node:
            if node.output[0] in products:
                self._add_product(node)
            elif node.op_type == "Gather" and self._is_large(node.input[0]):
                self._add_lookup(node)
            else:
                self._nodes.append(node)
        quantized = emptied(self._model)
        quantized.graph.node.extend(self._nodes)
        used = {name for node in self._nodes for name in node.input}
        del quantized.graph.initializer[:]
        tensors = self._weights | self._made
        quantized.graph.initializer.extend(tensor for name, tensor in tensors.items() if name in used)
        return quantized

    def _add_product(self, node: NodeProto) -> None:
        value, weight = node.input
        if value not in self._divisors:
            self._divisors[value] = self._channel_sizes(value)
            self._add_input(value, self._add_token_sizes(value) if value in self._narrow else self._factor(value))
        integers, scale = _rounded(self._array(weight) * self._divisors[value][:, None], axis=0)
        names = [self._constant(f"{weight}_int8", integers), self._constant(f"{weight}_scale", scale)]
        self._nodes.append(helper.make_node("DequantizeLinear", names, [f"{weight}_dequantized"], axis=1))
        inputs = {value: f"{value}_dequantized", weight: f"{weight}_dequantized"}
        if value not in self._narrow:
            self._nodes.append(renamed(node, inputs, {}))
            return
        product = f"{node.output[0]}_of_one_size"
        self._nodes.append(renamed(node, inputs, {node.output[0]: product}))
        self._nodes.append(helper.make_node("Mul", [product, f"{value}_size"], list(node.output)))

    def _add_input(self, value: str, factor: str) -> None:
        """`value` times `factor`, rounded to one of 256 numbers."""
        seen, divisor = self._ranges[value], self._divisors[value]
        low, high = min(0.0, float((seen.lowest / divisor).min())), max(0.0, float((seen.highest / divisor).max()))
        scale = np.float32((high - low) / 255 or 1)
        names = [
            self._constant(f"{value}_scale", scale),
            self._constant(f"{value}_zero", np.uint8(round(-low / scale))),
        ]
        self._nodes += [
            helper.make_node("Mul", [value, factor], [f"{value}_smooth"]),
            helper.make_node("QuantizeLinear", [f"{value}_smooth", *names], [f"{value}_int8"]),
            helper.make_node("DequantizeLinear", [f"{value}_int8", *names], [f"{value}_dequantized"]),
        ]

    def _add_token_sizes(self, value: str) -> str:
        """The name of what each token of `value` is multiplied with: one over its largest absolute value."""
        highest, lowest, depth, size = (f"{value}_{name}" for name in ("highest", "lowest", "depth", "size"))
        axis, least = self._constant("last_axis", np.array([-1])), self._constant("smallest_size", np.float32(1e-6))
        self._nodes += [
            helper.make_node("ReduceMax", [value, axis], [highest]),
            helper.make_node("ReduceMin", [value, axis], [lowest]),
            helper.make_node("Neg", [lowest], [depth]),
            helper.make_node("Max", [highest, depth, least], [size]),
            helper.make_node("Reciprocal", [size], [f"{value}_factor"]),
        ]
        return f"{value}_factor"

    def _factor(self, value: str) -> str:
        return self._constant(f"{value}_factor", (1 / self._divisors[value]).astype(np.float32))

    def _channel_sizes(self, value: str) -> Floats:
        """(channels,), of geometric mean 1: what each channel hands on to the weights that read `value`."""
        seen = self._ranges[value]
        if value in self._narrow:
            return np.ones_like(seen.highest)
        of_input = np.maximum(np.maximum(-seen.lowest, seen.highest), 1e-5)
        rows = [np.abs(self._array(weight)).max(axis=1) for weight in self._readers[value]]
        of_weights = np.maximum(np.max(rows, axis=0), 1e-5)
        logarithm = SMOOTHING * np.log(of_input) - (1 - SMOOTHING) * np.log(of_weights)
        divisor: Floats = np.exp(logarithm - logarithm.mean()).astype(np.float32)
        return divisor

    def _add_lookup(self, node: NodeProto) -> None:
        table, index = node.input
        integers, scale = _rounded(self._array(table), axis=1)
        rows, scales = f"{node.output[0]}_int8", f"{node.output[0]}_scale"
        self._nodes += [
            helper.make_node("Gather", [self._constant(f"{table}_int8", integers), index], [rows]),
            helper.make_node("Gather", [self._constant(f"{table}_scale", scale[:, None]), index], [scales]),
            helper.make_node("Cast", [rows], [f"{rows}_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{rows}_float", scales], list(node.output)),
        ]

    def _is_large(self, table: str) -> bool:
        tensor = self._weights.get(table)
        return tensor is not None and len(tensor.dims) == 2 and tensor.dims[0] >= LOOKUP_ROWS

    def _array(self, weight: str) -> Floats:
        return numpy_helper.to_array(self._weights[weight])

    def _constant(self, name: str, value: npt.NDArray[np.generic] | np.generic) -> str:
        self._made[name] = numpy_helper.from_array(np.ascontiguousarray(value).reshape(np.shape(value)), name)
        return name


def _rounded(weights: Floats, axis: int) -> tuple[npt.NDArray[np.int8], Floats]:
    """Integers, and what one of them is worth: a scale for everything along `axis`."""
    scale = np.abs(weights).max(axis=axis) / LARGEST_WEIGHT
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    return np.round(weights / np.expand_dims(scale, axis)).astype(np.int8), scale
