"""The CUDA engine's own code, on the CPU provider: binding, queueing and fetching are the same there."""

from pathlib import Path

import numpy as np
import pytest
from engines.engine import TokenSlice
from engines.onnxruntime_cuda_engine import CUDA, OnnxRuntimeCudaEngine
from engines.onnxruntime_engine import OnnxRuntimeEngine
from onnxruntime import get_available_providers
from tokens.slicing import pad

from export.artefacts.files import ENGINE_FILE
from export.onnx.assemble import write_artefacts

DEFAULT_BUNDLE = Path(__file__).parents[3] / "bundles/default"


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped encoder."""
    folder = tmp_path_factory.mktemp("engine")
    write_artefacts(DEFAULT_BUNDLE, folder)
    return folder / ENGINE_FILE


def slices() -> list[TokenSlice]:
    rows = [np.arange(101, 101 + n, dtype=np.int32) for n in (3, 5, 17, 20, 31)]
    return [pad(rows[:2], 5), pad(rows[2:4], 32), pad(rows[4:], 31)]


def test_slices_under_way_together_give_what_they_give_alone(graph: Path) -> None:
    together = OnnxRuntimeCudaEngine(graph, "CPUExecutionProvider").embed(slices())
    alone = OnnxRuntimeEngine(graph, 1).embed(slices())
    assert [part.shape for part in together] == [part.shape for part in alone]
    for ours, theirs in zip(together, alone, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.skipif(CUDA in get_available_providers(), reason="onnxruntime-gpu is installed")
def test_without_cuda_it_is_refused_rather_than_computed_on_the_cpu(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=f"no {CUDA}: install onnxruntime-gpu in its place"):
        OnnxRuntimeCudaEngine(tmp_path / "encoder.onnx")
