"""Typed graphs of every architecture: what is half, what stays fp32, and how far the answers move."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.domain.errors import ExportError
from export.domain.targets import Precision
from export.onnx.precision import FLOAT, HALF_TYPES, to_precision, value_types, with_fp32_kernels
from routerdc_contract.tensors import ATTENTION_MASK, EMBEDDING, INPUT_IDS
from tests.integration.export.conftest import ENCODERS

EncoderGraph = Callable[[str], onnx.ModelProto]
FP32_ONLY = {"LayerNormalization", "Softmax", "ReduceSum", "ReduceL2", "Gemm", "Where", "Clip"}
every_half = pytest.mark.parametrize("precision", HALF_TYPES)
every_encoder = pytest.mark.parametrize("architecture", ENCODERS)


def embed(model: onnx.ModelProto) -> npt.NDArray[np.float32]:
    """Embeddings of two full rows and two padded ones."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    input_ids = np.random.default_rng(3).integers(5, 30000, (4, 12)).astype(np.int32)
    attention_mask = np.ones_like(input_ids)
    attention_mask[:2, 7:] = 0
    embedding: npt.NDArray[np.float32] = session.run(
        [EMBEDDING], {INPUT_IDS: input_ids, ATTENTION_MASK: attention_mask}
    )[0]
    return embedding


@every_encoder
@every_half
def test_products_are_half_and_what_needs_range_stays_fp32(
    architecture: str, precision: Precision, encoder_graph: EncoderGraph
) -> None:
    typed = to_precision(encoder_graph(architecture), precision)
    onnx.checker.check_model(typed, full_check=True)
    types = value_types(typed)
    products = {types[node.output[0]] for node in typed.graph.node if node.op_type == "MatMul"}
    kept = {types[name] for node in typed.graph.node if node.op_type in FP32_ONLY for name in node.output if name}
    assert products == {HALF_TYPES[precision]}
    assert not kept.intersection(HALF_TYPES.values())


@every_encoder
@every_half
def test_inputs_and_output_keep_their_types(
    architecture: str, precision: Precision, encoder_graph: EncoderGraph
) -> None:
    graph = encoder_graph(architecture)
    typed = to_precision(graph, precision)
    assert list(typed.graph.input) == list(graph.graph.input)
    assert list(typed.graph.output) == list(graph.graph.output)


@every_encoder
@pytest.mark.parametrize(("precision", "tolerance"), [("fp16", 1e-3), ("bf16", 8e-3)])
def test_the_embedding_moves_by_no_more_than_rounding(
    architecture: str, precision: Precision, tolerance: float, encoder_graph: EncoderGraph
) -> None:
    graph = encoder_graph(architecture)
    error = np.abs(embed(with_fp32_kernels(to_precision(graph, precision))) - embed(graph)).max()
    assert tolerance / 1000 < error < tolerance  # none at all would mean that nothing was rounded


@every_encoder
def test_onnx_runtimes_own_half_kernels_agree(architecture: str, encoder_graph: EncoderGraph) -> None:
    graph = encoder_graph(architecture)
    np.testing.assert_allclose(embed(to_precision(graph, "fp16")), embed(graph), atol=1e-3)


def test_the_weights_take_half_the_space(encoder_graph: EncoderGraph) -> None:
    graph = encoder_graph("bert")
    assert to_precision(graph, "fp16").ByteSize() < 0.55 * graph.ByteSize()


def test_fp32_is_the_graph_itself(encoder_graph: EncoderGraph) -> None:
    graph = encoder_graph("bert")
    assert to_precision(graph, "fp32") is graph


def product(weight: float) -> onnx.ModelProto:
    """x (n, 2) times a weight (2, 2), plus itself."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Add", ["y", "x"], ["z"])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("x", "z")]
    weights = [numpy_helper.from_array(np.full((2, 2), weight, dtype=np.float32), "w")]
    graph = helper.make_graph(nodes, "product", values[:1], values[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def test_a_sum_of_half_and_fp32_is_fp32() -> None:
    typed = to_precision(product(0.5), "fp16")
    assert [node.op_type for node in typed.graph.node] == ["Cast", "MatMul", "Cast", "Add"]
    assert value_types(typed)["z"] == FLOAT


def test_a_weight_that_overflows_fp16_is_named_and_fits_bf16() -> None:
    with pytest.raises(ExportError, match=r"w: a weight does not fit into fp16: export with --precision bf16"):
        to_precision(product(1e5), "fp16")
    onnx.checker.check_model(to_precision(product(1e5), "bf16"), full_check=True)


def test_a_graph_whose_types_contradict_each_other_is_refused() -> None:
    model = product(0.5)
    model.graph.node.insert(1, helper.make_node("Cast", ["y"], ["y_half"], to=TensorProto.FLOAT16))
    model.graph.node[2].input[0] = "y_half"
    with pytest.raises(ExportError, match="types do not fit together"):
        value_types(model)
