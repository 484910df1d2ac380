"""int8 graphs of every architecture: what became of which node, how close they stay, and that batches do not matter."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from export.onnx.calibration import calibrate
from export.onnx.precision import to_precision, with_fp32_kernels
from export.onnx.quantization import to_int8
from export.onnx.simplify import simplify
from routerdc_contract.tensors import ATTENTION_MASK, INPUT_IDS
from tests.integration.export.conftest import ENCODERS, MAX_TOKENS

EncoderGraph = Callable[[str], onnx.ModelProto]
Rows = list[npt.NDArray[np.int32]]
RANDOM = np.random.default_rng(3)
ROWS: Rows = [RANDOM.integers(1000, 30000, size=length, dtype=np.int32) for length in range(2, MAX_TOKENS)]


def simple(graph: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    simplify(copy)
    return copy


def quantized(graph: onnx.ModelProto, *, for_gpu: bool = False) -> onnx.ModelProto:
    result = to_int8(graph, calibrate(graph, ROWS), for_gpu=for_gpu)
    onnx.checker.check_model(result, full_check=True)
    return result


def embed(graph: onnx.ModelProto, *batch: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """(batch, dim); rows are padded to the longest."""
    width = max(map(len, batch))
    ids = np.stack([np.pad(row, (0, width - len(row))) for row in batch])
    mask = np.stack([(np.arange(width) < len(row)).astype(np.int32) for row in batch])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.x64quantprecision", "1")  # as what serves
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    embedding: npt.NDArray[np.float32] = session.run(None, {INPUT_IDS: ids, ATTENTION_MASK: mask})[0]
    return embedding


@pytest.mark.parametrize("architecture", ENCODERS)
def test_every_product_with_weights_is_int8_and_stays_close(architecture: str, encoder_graph: EncoderGraph) -> None:
    graph = simple(encoder_graph(architecture))
    result = quantized(graph)
    weights = {tensor.name: tensor for tensor in result.graph.initializer}
    makers = {name: node.op_type for node in result.graph.node for name in node.output}
    of_weights = [node for node in result.graph.node if node.op_type == "MatMul" and node.input[1] not in makers]
    assert not [node for node in of_weights if node.input[1] in weights]
    assert sum(tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 2 for tensor in weights.values()) >= 5
    unit = embed(graph, *ROWS)
    np.testing.assert_allclose(embed(result, *ROWS), unit, atol=0.05)


def test_an_answer_does_not_depend_on_its_batch(encoder_graph: EncoderGraph) -> None:
    result = quantized(simple(encoder_graph("bert")))
    together = embed(result, *ROWS)
    alone = np.concatenate([embed(result, row) for row in ROWS])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_one_huge_token_costs_the_others_no_precision(encoder_graph: EncoderGraph) -> None:
    graph = simple(encoder_graph("bert"))
    table = next(t for t in graph.graph.initializer if t.name.endswith("intermediate.dense.bias"))
    bias = numpy_helper.to_array(table).copy()
    bias[0] += 30  # a channel that is large after GELU, as BERTs have them
    table.CopyFrom(numpy_helper.from_array(bias, table.name))
    np.testing.assert_allclose(embed(quantized(graph), *ROWS), embed(graph, *ROWS), atol=0.05)


@pytest.mark.parametrize("architecture", ENCODERS)
def test_for_gpus_integers_lie_around_zero_among_fp16_and_stay_close(
    architecture: str, encoder_graph: EncoderGraph
) -> None:
    graph = simple(encoder_graph(architecture))
    typed = to_precision(quantized(graph, for_gpu=True), "int8-gpu")
    onnx.checker.check_model(typed, full_check=True)
    tensors = {tensor.name: tensor for tensor in typed.graph.initializer}
    makers = {name: node for node in typed.graph.node for name in node.output}
    zeros = [tensors[node.input[2]] for node in typed.graph.node if node.op_type == "QuantizeLinear"]
    assert {(zero.data_type, int(numpy_helper.to_array(zero))) for zero in zeros} == {(onnx.TensorProto.INT8, 0)}
    dequantized = {name for name, node in makers.items() if node.op_type == "DequantizeLinear"}
    products = [node for node in typed.graph.node if dequantized.intersection(node.input)]
    assert len(products) >= 4
    for node in products:  # nothing stands between a product and what is dequantized: so TensorRT finds them
        assert (node.op_type, dequantized.issuperset(node.input)) == ("MatMul", True)
        assert {tensors[makers[name].input[1]].data_type for name in node.input} == {onnx.TensorProto.FLOAT16}
    judged = with_fp32_kernels(typed)
    assert all(len(node.input) == 3 for node in judged.graph.node if node.op_type == "DequantizeLinear")
    np.testing.assert_allclose(embed(judged, *ROWS), embed(graph, *ROWS), atol=0.05)


def test_an_encoder_without_layers_has_nothing_to_calibrate() -> None:
    float_, int_ = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    shapes = [onnx.helper.make_tensor_value_info(name, int_, ["b", "s"]) for name in (INPUT_IDS, ATTENTION_MASK)]
    table = numpy_helper.from_array(RANDOM.standard_normal((30522, 8)).astype(np.float32), "table")
    axis = numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")
    nodes = [
        onnx.helper.make_node("Gather", ["table", INPUT_IDS], ["tokens"]),
        onnx.helper.make_node("ReduceMean", ["tokens", "axis"], ["embedding"], keepdims=0),
    ]
    output = onnx.helper.make_tensor_value_info("embedding", float_, ["b", 8])
    graph = onnx.helper.make_graph(nodes, "static", shapes, [output], [table, axis])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    assert calibrate(model, ROWS) == {}
    result = to_int8(model, {})
    np.testing.assert_allclose(embed(result, ROWS[0]), embed(model, ROWS[0]), atol=0.05)
