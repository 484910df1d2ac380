"""What is left of a traced graph, and that its answers stay."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.onnx.simplify import drop_nan_guards, simplify
from tests.integration.export.conftest import ENCODERS
from tests.integration.export.onnx.test_precision import embed

EncoderGraph = Callable[[str], onnx.ModelProto]


def simplified(graph: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    simplify(copy)
    onnx.checker.check_model(copy, full_check=True)
    return copy


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("architecture", ENCODERS)
def test_the_answers_stay(architecture: str, encoder_graph: EncoderGraph) -> None:
    graph = encoder_graph(architecture)
    np.testing.assert_allclose(embed(simplified(graph)), embed(graph), atol=1e-6)


@pytest.mark.parametrize("architecture", ENCODERS)
def test_no_node_computes_from_weights_alone(architecture: str, encoder_graph: EncoderGraph) -> None:
    model = simplified(encoder_graph(architecture))
    weights = {tensor.name for tensor in model.graph.initializer}
    assert not [node.name for node in model.graph.node if weights.issuperset(node.input)]


def test_debertas_relative_positions_are_projected_once_and_for_all(encoder_graph: EncoderGraph) -> None:
    graph = encoder_graph("deberta-v2")
    assert operators(graph).count("MatMul") - operators(simplified(graph)).count("MatMul") == 2  # one key, one query


@pytest.mark.parametrize("architecture", ENCODERS)
def test_nothing_stands_between_softmax_and_its_product(architecture: str, encoder_graph: EncoderGraph) -> None:
    model = simplified(encoder_graph(architecture))
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    readers = [node.op_type for node in model.graph.node if softmax.output[0] in node.input]
    assert "IsNaN" not in operators(model)
    assert set(readers) <= {"MatMul", "Reshape"}


def test_a_guard_stays_where_the_mask_is_infinite() -> None:
    nodes = [
        helper.make_node("Add", ["x", "mask"], ["masked"]),
        helper.make_node("Softmax", ["masked"], ["p"]),
        helper.make_node("IsNaN", ["p"], ["empty"]),
        helper.make_node("Where", ["empty", "zero", "p"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ("x", "y")]
    weights = [
        numpy_helper.from_array(np.array([0, -np.inf], dtype=np.float32), "mask"),
        numpy_helper.from_array(np.array(0, dtype=np.float32), "zero"),
    ]
    model = helper.make_model(helper.make_graph(nodes, "guarded", values[:1], values[1:], weights))
    drop_nan_guards(model)
    assert operators(model) == ["Add", "Softmax", "IsNaN", "Where"]
