"""TensorRT for RTX behind the engine's seam: for real as far as a machine without a GPU goes, then on a fake one."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from engines.engine import TokenSlice
from tokens.slicing import pad

from export.artefacts.files import ENGINE_FILE
from export.onnx.assemble import write_artefacts
from export.tensorrt.builder import build_plan
from export.tensorrt.profiles import profiles
from routerdc_contract.bundle import Manifest
from tests.integration.model_repository.fake_gpu import DIM, FakeCuda, FakeTensorRt

DEFAULT_BUNDLE = Path(__file__).parents[3] / "bundles/default"

trt: Any = pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX has no wheel for this platform")
runtime: Any = pytest.importorskip("cuda.bindings.runtime")
cuda_stream: Any = import_module("engines.cuda_stream")
TensorRtRtxEngine: Any = import_module("engines.tensorrt_rtx_engine").TensorRtRtxEngine

HAS_GPU = runtime.cudaGetDeviceCount()[0] == runtime.cudaError_t.cudaSuccess


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A real plan of the shipped encoder."""
    manifest = Manifest.read(DEFAULT_BUNDLE)
    write_artefacts(DEFAULT_BUNDLE, tmp_path, "fp16")
    graph = onnx.load(tmp_path / ENGINE_FILE)
    path = tmp_path / "model.plan"
    path.write_bytes(build_plan("tensorrt-rtx", graph, profiles(manifest.tokenizer.max_tokens)).engine)
    return path


@pytest.mark.skipif(HAS_GPU, reason="there is a GPU")
def test_without_a_gpu_a_real_plan_is_refused_with_tensorrts_own_words(plan: Path) -> None:
    with pytest.raises(RuntimeError, match=r"cannot load it: .*CUDA driver version is insufficient"):
        TensorRtRtxEngine(plan)


@pytest.mark.skipif(not HAS_GPU, reason="needs a GPU")
def test_a_real_plan_embeds_rows_of_every_bucket(plan: Path) -> None:
    engine = TensorRtRtxEngine(plan)
    rows = [np.arange(1, 1 + n, dtype=np.int32) for n in (3, 9, 30)]
    alone = [engine.embed([pad([row], 32)])[0] for row in rows]
    together = engine.embed([pad(rows, 32), pad(rows[:2], 16)])
    np.testing.assert_allclose(together[0], np.concatenate(alone), atol=5e-3)
    np.testing.assert_allclose(together[1], np.concatenate(alone[:2]), atol=5e-3)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    cuda = FakeCuda()
    monkeypatch.setattr(cuda_stream, "runtime", cuda)
    fake = FakeTensorRt(cuda)
    for name in ("Runtime", "CudaGraphStrategy"):
        monkeypatch.setattr(trt, name, getattr(fake, name))
    return cuda


@pytest.fixture
def engine(cuda: FakeCuda, tmp_path: Path) -> Any:
    (tmp_path / "model.plan").write_bytes(b"a plan")
    return TensorRtRtxEngine(tmp_path / "model.plan")


def rows(*lengths: int) -> TokenSlice:
    return pad([np.arange(1, 1 + n, dtype=np.int32) for n in lengths], max(lengths))


def expected(*lengths: int) -> list[list[float]]:
    return [[n * (n + 1) / 2, n, max(lengths)] for n in lengths]


def test_every_slice_gets_its_own_results_though_all_are_queued_first(engine: Any) -> None:
    parts = [(2, 3), (8, 8, 7, 1), (9,), (16, 12)]
    embeddings = engine.embed([rows(*lengths) for lengths in parts])
    assert [part.tolist() for part in embeddings] == [expected(*lengths) for lengths in parts]
    assert all(part.shape == (len(lengths), DIM) for part, lengths in zip(embeddings, parts, strict=True))


def test_memory_that_grew_does_not_change_answers(engine: Any) -> None:
    for lengths in ((2,), (16, 16, 16, 16), (3, 2)):
        assert engine.embed([rows(*lengths)])[0].tolist() == expected(*lengths)


def test_a_slice_that_no_profile_accepts_is_named(engine: Any) -> None:
    with pytest.raises(RuntimeError, match="no profile for 1 rows of 17 tokens"):
        engine.embed([rows(17)])


def test_a_full_gpu_is_told(engine: Any, cuda: FakeCuda) -> None:
    cuda.free_from = len(cuda.memory)
    with pytest.raises(cuda_stream.CudaError, match="cudaErrorMemoryAllocation"):
        engine.embed([rows(4)])
