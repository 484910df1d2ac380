"""The engine around a graph whose embedding is its own input."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from engines.engine import TokenSlice
from onnx import TensorProto, helper

pytest.importorskip("openvino", reason="the extra openvino is not installed")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """embedding = input_ids · attention_mask, in floats."""
    shape = ["batch", "sequence"]
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["input_ids", "attention_mask"], ["shown"]),
            helper.make_node("Cast", ["shown"], ["embedding"], to=TensorProto.FLOAT),
        ],
        "echo",
        [helper.make_tensor_value_info(name, TensorProto.INT32, shape) for name in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "encoder.onnx")
    return tmp_path / "encoder.onnx"


def test_every_slice_is_computed_and_none_overwrites_another(path: Path) -> None:
    from engines.openvino_engine import OpenVinoEngine

    random = np.random.default_rng(5)
    shapes = [(1, 3), (4, 8), (2, 8), (4, 8), (1, 3)]
    ids = [random.integers(1, 1000, shape, dtype=np.int32) for shape in shapes]
    slices = [TokenSlice(rows, (rows % 2).astype(np.int32)) for rows in ids]
    engine = OpenVinoEngine(path, threads=1)
    first, second = engine.embed(slices), engine.embed(slices[::-1])[::-1]
    for part, one, other in zip(slices, first, second, strict=True):
        np.testing.assert_array_equal(one, part.input_ids * part.attention_mask)
        np.testing.assert_array_equal(one, other)
