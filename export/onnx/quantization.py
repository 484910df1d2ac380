"""int8 in the graph itself, by standard QuantizeLinear/DequantizeLinear nodes around the products with weights.

Weights: one scale per output channel. Their inputs: one range each, measured once on calibration queries, so an answer
does not depend on what else is in its batch, as it would with a range taken from the batch. One range must do for all
tokens and channels, and a few of them are far larger than all others, so they are brought to one size first:

    wide output     channels hand part of their size on to the weights (SmoothQuant, Xiao et al., ICML 2023)
    narrow output   every token is divided by its largest value, and the product multiplied by it again

The first costs one multiplication of the input, the second one of the output besides, but what follows a GELU needs it:
there the size sits in single tokens ([CLS], [SEP]). For CPUs the word embeddings are int8, too, a scale for each word.
All else stays as it is.

Does not know where calibration queries come from or what computes the graph.
"""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export.onnx.calibration import Floats, Range, narrow, products, weights_of
from export.onnx.rewriting import emptied, renamed

SMOOTHING = 0.65
"""share of a channel's size that goes to the weights"""
LARGEST = 127
LOOKUP_ROWS = 1024
"""a table with as many rows is worth being int8: the word embeddings, not the positions"""


def to_int8(model: onnx.ModelProto, ranges: dict[str, Range], *, for_gpu: bool = False) -> onnx.ModelProto:
    """An int8 copy of an fp32 `model`; `ranges` as `calibrate` gives them.

    Inputs of products are uint8, for which CPUs have the fast kernels, or, `for_gpu`, int8 without a zero point, which
    is all that TensorRT takes. There ranges are moved to lie around 0: what follows a GELU would lose half the steps.
    """
    return _Quantizer(model, ranges, for_gpu).result()


class _Quantizer:
    """One pass over the nodes in their order."""

    def __init__(self, model: onnx.ModelProto, ranges: dict[str, Range], for_gpu: bool) -> None:
        self._model = model
        self._ranges = ranges
        self._for_gpu = for_gpu
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._readers = weights_of(model)
        self._narrow = narrow(model)
        self._nodes: list[NodeProto] = []
        self._made: dict[str, TensorProto] = {}
        self._divisors: dict[str, Floats] = {}
        self._middles: dict[str, float] = {}

    def result(self) -> onnx.ModelProto:
        """The graph with rounded products and, for CPUs, large lookups; made once."""
        rounded = {node.output[0] for node in products(self._model)}
        for node in self._model.graph.node:
            if node.output[0] in rounded:
                self._add_product(node)
            elif node.op_type == "Gather" and self._is_large(node.input[0]) and not self._for_gpu:
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
        after: list[tuple[str, str]] = []
        if self._for_gpu:
            of_middle = self._middles[value] * (integers * scale).sum(axis=0)
            after.append(("Add", self._constant(f"{node.output[0]}_of_middle", of_middle.astype(np.float32))))
        if value in self._narrow:
            after.append(("Mul", f"{value}_size"))
        self._add_chain(node, inputs, after)

    def _add_chain(self, node: NodeProto, inputs: dict[str, str], after: list[tuple[str, str]]) -> None:
        """Adds `node` with other `inputs`, then every operator of `after` with its second operand.

        The last one's output has the name that the output of `node` had.
        """
        final = node.output[0]
        results = [*(f"{final}_before_{operator.lower()}" for operator, _ in after), final]
        self._nodes.append(renamed(node, inputs, {final: results[0]}))
        for (operator, operand), before, result in zip(after, results, results[1:], strict=False):
            self._nodes.append(helper.make_node(operator, [before, operand], [result]))

    def _add_input(self, value: str, factor: str) -> None:
        """`value` times `factor`, rounded to one of 256 numbers."""
        seen, divisor = self._ranges[value], self._divisors[value]
        low, high = min(0.0, float((seen.lowest / divisor).min())), max(0.0, float((seen.highest / divisor).max()))
        scale = np.float32((high - low) / 255 or 1)
        smooth, zero = f"{value}_smooth", np.array(round(-low / scale), np.uint8)
        self._nodes.append(helper.make_node("Mul", [value, factor], [smooth]))
        if self._for_gpu:
            smooth, zero = self._add_centred(smooth, value, (low + high) / 2), np.array(0, np.int8)
        names = [self._constant(f"{value}_scale", scale), self._constant(f"{value}_zero", zero)]
        self._nodes += [
            helper.make_node("QuantizeLinear", [smooth, *names], [f"{value}_int8"]),
            helper.make_node("DequantizeLinear", [f"{value}_int8", *names], [f"{value}_dequantized"]),
        ]

    def _add_centred(self, smooth: str, value: str, middle: float) -> str:
        """`smooth` moved so that 0 is the middle of its range; what that takes from a product is added after it."""
        self._middles[value] = middle
        moved = f"{value}_centred"
        self._nodes.append(
            helper.make_node("Sub", [smooth, self._constant(f"{value}_middle", np.float32(middle))], [moved])
        )
        return moved

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
    scale = np.abs(weights).max(axis=axis) / LARGEST
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    return np.round(weights / np.expand_dims(scale, axis)).astype(np.int8), scale
