"""fp32 ONNX graph → the same encoder with its matrix products and weights in fp16 or bf16: a typed graph.

The types stand in the graph itself, by explicit Casts, which is what a strongly typed TensorRT network needs: no flag
of a builder decides about precision. Matrix products and lookups of weights compute in the half type; element-wise and
moving nodes follow when all that flows into them is half; everything else (LayerNorm, softmax and its mask, residual
sums, pooling, projection, normalisation) stays fp32. Inputs and outputs keep their types. Needs no torch.
"""

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export.domain.errors import ExportError
from export.domain.targets import Precision
from export.onnx.rewriting import emptied, renamed

FLOAT = int(TensorProto.FLOAT)
HALF_TYPES: dict[Precision, int] = {
    "fp16": int(TensorProto.FLOAT16),
    "bf16": int(TensorProto.BFLOAT16),
    "int8-gpu": int(TensorProto.FLOAT16),
}
"""Of what is not int8 already (export.onnx.quantization)"""

_PRODUCTS = {"MatMul"}  # a Gemm is the projection of the pooled vector: small, and the scores feel its rounding
_DEQUANTIZED = {"DequantizeLinear"}  # only products read them
_LOOKUPS = {"Gather"}
_FOLLOWERS = {
    *("Add", "Sub", "Mul", "Div", "Neg", "Gelu", "Erf", "Tanh", "Sigmoid", "Relu"),
    *("Concat", "Expand", "GatherElements", "Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
}


def to_precision(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """A typed copy of an fp32 `model`, which may be quantized (itself where all that is not stays fp32).

    Raises:
        ExportError: a weight does not fit into the half type.
    """
    return _Conversion(model, HALF_TYPES[precision]).result() if precision in HALF_TYPES else model


def with_fp32_kernels(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that rounds exactly where a typed `model` does, but computes every half node in fp32.

    Any CPU runs it, whatever half kernels its runtime has (none for bf16), so a typed graph can be compared with torch.
    Weights get their zero points, which are 0: without them ONNX Runtime's exact int8 products cannot be made.
    """
    types = value_types(model)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    halves = {name for name, kind in types.items() if kind in HALF_TYPES.values()}
    copy, nodes = emptied(model), []
    for node in model.graph.node:
        if node.op_type == "Cast" or not halves.intersection((*node.input, *node.output)):
            nodes.append(node)
            continue
        widened = {name: f"{name}@{node.output[0]}" for name in node.input if name in halves}
        exact = {name: f"{name}_exact" for name in node.output if name in halves}
        nodes += [_cast(old, new, FLOAT) for old, new in widened.items()]
        nodes.append(renamed(node, widened, exact))
        if node.op_type == "DequantizeLinear" and len(node.input) == 2:
            zeros = _zero_points(*(weights[name] for name in node.input))
            copy.graph.initializer.append(zeros)
            nodes[-1].input.append(zeros.name)
        nodes += [_cast(new, old, types[old]) for old, new in exact.items()]
    copy.graph.node.extend(nodes)
    return copy


def value_types(model: onnx.ModelProto) -> dict[str, int]:
    """Element type of every value by name.

    Raises:
        ExportError: the types contradict each other.
    """
    try:
        graph = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    except onnx.shape_inference.InferenceError as error:
        raise ExportError(f"the graph's types do not fit together: {error}") from None
    values = [*graph.input, *graph.value_info, *graph.output]
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    return types | {tensor.name: tensor.data_type for tensor in graph.initializer}


class _Conversion:
    """One pass over the nodes in their order; `_types` grows with what each one yields."""

    def __init__(self, model: onnx.ModelProto, half: int) -> None:
        self._model = model
        self._half = half
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._floats = {name for name, kind in value_types(model).items() if kind == FLOAT}
        self._types = dict.fromkeys(self._floats, FLOAT)
        self._nodes: list[NodeProto] = []
        self._made: dict[str, TensorProto] = {}
        self._casts: set[str] = set()

    def result(self) -> onnx.ModelProto:
        """The typed graph; made once."""
        for node in self._model.graph.node:
            self._add(node)
        for output in self._model.graph.output:
            assert self._types[output.name] == FLOAT, output.name  # noqa: S101 - the normalisation is never half
        typed = emptied(self._model)
        typed.graph.node.extend(self._nodes)
        used = {name for node in self._nodes for name in node.input}
        del typed.graph.initializer[:]
        typed.graph.initializer.extend(tensor for name, tensor in (self._weights | self._made).items() if name in used)
        return typed

    def _add(self, node: NodeProto) -> None:
        kind = self._half if self._is_half(node) else FLOAT
        inputs = {name: self._as(name, kind) for name in node.input if name in self._floats}
        self._nodes.append(renamed(node, inputs, {}))
        self._types.update({name: kind for name in node.output if name in self._floats})

    def _is_half(self, node: NodeProto) -> bool:
        if node.op_type in _PRODUCTS | _DEQUANTIZED:
            return True
        if node.op_type in _LOOKUPS and node.input[0] in self._weights:
            return node.input[0] in self._floats
        flowing = [name for name in node.input if name in self._floats and name not in self._weights]
        follows = node.op_type in _FOLLOWERS | _LOOKUPS
        return follows and bool(flowing) and all(self._types[name] == self._half for name in flowing)

    def _as(self, name: str, kind: int) -> str:
        """The value `name` in type `kind`: itself, a converted weight, or behind a Cast (one for all its readers)."""
        if self._types[name] == kind:
            return name
        new = f"{name}_{helper.tensor_dtype_to_string(kind).rpartition('.')[2].lower()}"
        if name in self._weights:
            if new not in self._made:
                self._made[new] = _narrowed(self._weights[name], kind, new)
        elif new not in self._casts:
            self._casts.add(new)
            self._nodes.append(_cast(name, new, kind))
        return new


def _narrowed(weight: TensorProto, kind: int, name: str) -> TensorProto:
    with np.errstate(over="ignore"):
        array = numpy_helper.to_array(weight).astype(helper.tensor_dtype_to_np_dtype(kind))
    if not np.isfinite(array.astype(np.float32)).all():
        raise ExportError(f"{weight.name}: a weight does not fit into fp16: export with --precision bf16")
    return numpy_helper.from_array(array, name)


def _zero_points(integers: TensorProto, scale: TensorProto) -> TensorProto:
    kind = helper.tensor_dtype_to_np_dtype(integers.data_type)
    return numpy_helper.from_array(np.zeros(tuple(scale.dims), kind), f"{integers.name}_zero_points")


def _cast(value: str, name: str, kind: int) -> NodeProto:
    return helper.make_node("Cast", [value], [name], name=f"cast_{name}", to=kind)
