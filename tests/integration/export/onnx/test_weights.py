from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from safetensors.numpy import save_file

from export.domain.errors import ExportError
from export.onnx.weights import Source, WeightRef, put_back, read_tensors, take_out

RANDOM = np.random.default_rng(0)
ENCODER = {"word": RANDOM.normal(size=(20, 8)), "square": RANDOM.normal(size=(16, 16)), "bias": RANDOM.normal(size=99)}
BUNDLE = {"projection": RANDOM.normal(size=(8, 32))}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[Source, Path]:
    folder = tmp_path_factory.mktemp("weights")
    for name, tensors in (("encoder", ENCODER), ("bundle", BUNDLE)):
        save_file({key: value.astype(np.float32) for key, value in tensors.items()}, folder / f"{name}.safetensors")
    return {"encoder": folder / "encoder.safetensors", "bundle": folder / "bundle.safetensors"}


def graph_of(**initializers: np.ndarray) -> onnx.ModelProto:  # type: ignore[type-arg]
    tensors = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in initializers.items()]
    return helper.make_model(helper.make_graph([], "graph", [], [], initializer=tensors))


def arrays_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_weights_are_found_by_content_also_when_transposed(files: dict[Source, Path]) -> None:
    model = graph_of(a=ENCODER["word"], b=ENCODER["square"].T, c=BUNDLE["projection"].T, other=np.ones((30, 30)))
    assert take_out(model, files) == {
        "a": WeightRef(source="encoder", tensor="word"),
        "b": WeightRef(source="encoder", tensor="square", transpose=True),
        "c": WeightRef(source="bundle", tensor="projection", transpose=True),
    }
    assert list(arrays_of(model)) == ["other"]


@given(picked=st.lists(st.sampled_from([*ENCODER, *BUNDLE]), unique=True), flipped=st.booleans())
def test_taken_out_and_put_back_is_the_same_graph(files: dict[Source, Path], picked: list[str], flipped: bool) -> None:
    known = {**ENCODER, **BUNDLE}
    arrays = {f"initializer_{name}": known[name].T if flipped else known[name] for name in picked}
    model, untouched = graph_of(**arrays), graph_of(**arrays)
    put_back(model, take_out(model, files), files)
    back, expected = arrays_of(model), arrays_of(untouched)
    assert back.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(back[name], array)


def test_a_missing_tensor_is_named(files: dict[Source, Path]) -> None:
    with pytest.raises(ExportError, match="tensors are missing: gone: trace the graph of this bundle anew"):
        put_back(graph_of(), {"x": WeightRef(source="encoder", tensor="gone")}, files)


def test_another_file_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="safetensors files only"):
        read_tensors(tmp_path / "pytorch_model.bin")
