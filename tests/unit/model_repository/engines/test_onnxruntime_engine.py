"""Whatever the number of threads and slices, answers are those of one thread, in the order of the slices."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from engines.engine import ATTENTION_MASK, EMBEDDING, INPUT_IDS, TokenSlice
from engines.onnxruntime_engine import SHARED_TOKENS, OnnxRuntimeEngine
from onnx import helper, numpy_helper

from export.artefacts.files import ENGINE_FILE
from routerdc_contract.bundle import ENGINE_FOLDER

ENGINE = Path(__file__).parents[4] / "bundles/default" / ENGINE_FOLDER / ENGINE_FILE
RANDOM = np.random.default_rng(11)


def part(rows: int, width: int) -> TokenSlice:
    ids = RANDOM.integers(1000, 20000, (rows, width), dtype=np.int32)
    return TokenSlice(ids, np.ones_like(ids))


SMALL = [part(1, 8)]
LARGE = [part(4, SHARED_TOKENS // 4)]
MANY = [part(rows, width) for rows, width in ((9, 5), (6, 8), (4, 16), (3, 21), (2, 40), (1, 60))]


@pytest.fixture(scope="module")
def one_thread() -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(ENGINE, 1)


@pytest.mark.parametrize("slices", [SMALL, LARGE, MANY[:2], MANY], ids=["small", "large", "few", "many"])
@pytest.mark.parametrize("threads", [0, 2, 4])
def test_answers_are_those_of_one_thread(one_thread: OnnxRuntimeEngine, threads: int, slices: list[TokenSlice]) -> None:
    ours, theirs = OnnxRuntimeEngine(ENGINE, threads).embed(slices), one_thread.embed(slices)
    assert [embedding.shape[0] for embedding in ours] == [len(part.input_ids) for part in slices]
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)


def test_slices_are_computed_side_by_side_longest_first(
    one_thread: OnnxRuntimeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths: list[int] = []

    def embed(_session: object, part: TokenSlice) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        widths.append(part.input_ids.shape[1])
        return np.zeros((len(part.input_ids), 2), np.float32)

    monkeypatch.setattr("engines.onnxruntime_engine._embed", embed)
    one_thread.embed(MANY)
    assert widths == [60, 40, 21, 16, 8, 5]


def test_the_largest_products_of_bytes_are_exact_on_any_cpu(tmp_path: Path) -> None:
    """64 times 255 * 127 is more than the 16 bits in which CPUs without VNNI add up two of them."""
    width, dim = 64, 16
    constants = {
        "one": np.float32(1),
        "zero": np.uint8(0),
        "weights": np.full((width, dim), 127, np.int8),
    }
    nodes = [
        helper.make_node("Cast", [INPUT_IDS], ["value"], to=onnx.TensorProto.FLOAT),
        helper.make_node("QuantizeLinear", ["value", "one", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "one", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["weights", "one"], ["of_weights"]),
        helper.make_node("MatMul", ["rounded", "of_weights"], [EMBEDDING]),
    ]
    graph = helper.make_graph(
        nodes,
        "product",
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.INT32, ["b", width])
            for name in (INPUT_IDS, ATTENTION_MASK)
        ],
        [helper.make_tensor_value_info(EMBEDDING, onnx.TensorProto.FLOAT, ["b", dim])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "product.onnx")
    ids = np.full((3, width), 255, np.int32)
    (product,) = OnnxRuntimeEngine(tmp_path / "product.onnx", 1).embed([TokenSlice(ids, np.ones_like(ids))])
    np.testing.assert_array_equal(product, np.full((3, dim), width * 255 * 127, np.float32))
