"""What lies in the repository of each target.

Flavour `tensorrt` cannot be had here, so TensorRT for RTX, which has the same API, builds in its place, and a fake
driver names the GPU; the repository around the plan is the real one.
"""

from pathlib import Path

import pytest
from tritonclient.grpc.model_config_pb2 import ModelConfig

from export.artefacts.files import ENGINE_FILE
from export.steps.plan import PLAN_FILE, PlanRecord
from export.tensorrt.profiles import MAX_ROWS, TUNED_TOKENS
from export.triton.config import parameter, read_config
from export.triton.target_settings import GRAPH_ROWS
from routerdc_contract.bundle import file_sha256
from tests.integration.export.conftest import MAX_TOKENS, invoke

pytestmark = pytest.mark.filterwarnings("ignore:.*Timing cache operations:DeprecationWarning")  # RTX has none
GPU = "NVIDIA H200, 9.0"


@pytest.fixture
def tensorrt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that seems to have TensorRT and a GPU."""
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX has no wheel for this platform")
    monkeypatch.setattr("export.tensorrt.builder.MODULES", {"tensorrt": "tensorrt_rtx_bindings"})
    driver = tmp_path / "bin/nvidia-smi"
    driver.parent.mkdir()
    driver.write_text(f"#!/bin/sh\necho '{GPU}'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(driver.parent), prepend=":")


def serving(config: ModelConfig) -> tuple[str, int, int]:
    slice_tokens = int(parameter(config, "slice_tokens"))
    return parameter(config, "engine"), slice_tokens, config.instance_group[0].count


def test_onnxruntime_serves_small_slices_in_one_process(bundle: Path, tmp_path: Path) -> None:
    assert invoke("--bundle", bundle, "--out", tmp_path / "out")[0] == 0
    model = tmp_path / "out/model_repository/routerdc"
    assert serving(read_config(model)) == ("onnxruntime", 256, 1)
    assert (model / "1" / ENGINE_FILE).is_file()


def test_onnxruntime_cuda_serves_large_slices_in_two(bundle: Path, tmp_path: Path) -> None:
    options = ("--target", "onnxruntime-cuda", "--precision", "fp16")
    assert invoke("--bundle", bundle, "--out", tmp_path / "out", *options)[0] == 0
    model = tmp_path / "out/model_repository/routerdc"
    assert serving(read_config(model)) == ("onnxruntime-cuda", TUNED_TOKENS, 2)
    assert (model / "1" / ENGINE_FILE).is_file()


def test_another_target_makes_the_repository_anew_from_the_same_engine(bundle: Path, tmp_path: Path) -> None:
    invoke("--bundle", bundle, "--out", tmp_path / "out", "--precision", "fp32")
    code, output = invoke("--bundle", bundle, "--out", tmp_path / "out", "--target", "onnxruntime-cuda")
    assert (code, output.count("made"), output.count("current")) == (0, 1, 2)


def test_tensorrt_gives_the_encoder_a_model_of_its_own(bundle: Path, tmp_path: Path, tensorrt: None) -> None:
    out = tmp_path / "out"
    code, output = invoke("--bundle", bundle, "--out", out, "--target", "tensorrt", "--precision", "bf16")
    assert (code, output.count("made")) == (0, 3), output
    router, encoder = out / "model_repository/routerdc", out / "model_repository/routerdc_encoder"
    config = read_config(encoder)
    record = PlanRecord.read(out / "tensorrt")
    assert serving(read_config(router)) == ("triton", TUNED_TOKENS, 4)
    assert not (router / "1" / ENGINE_FILE).exists()
    assert file_sha256(encoder / "1" / PLAN_FILE) == record.plan_sha256
    assert (record.gpu, record.precision) == (GPU, "bf16")
    assert list(config.output[0].dims) == [-1, 16]
    assert list(config.instance_group[0].profile) == [str(i) for i in range(len(record.profiles))]
    assert (
        invoke("--bundle", bundle, "--out", out, "--target", "tensorrt", "--precision", "bf16")[1].count("current") == 4
    )


def test_the_encoder_warms_up_in_every_bucket_and_has_a_graph_for_every_slice(
    bundle: Path, tmp_path: Path, tensorrt: None
) -> None:
    out = tmp_path / "out"
    assert invoke("--bundle", bundle, "--out", out, "--target", "tensorrt")[0] == 0
    config = read_config(out / "model_repository/routerdc_encoder")
    warmed = {tuple(sample.inputs["input_ids"].dims) for sample in config.model_warmup}
    assert warmed == {(1, 32), (64, 32), (1, MAX_TOKENS), (64, MAX_TOKENS)}
    graphs = [tuple(spec.input["attention_mask"].dim) for spec in config.optimization.cuda.graph_spec]
    assert graphs == [(rows, width) for width in (16, 32, MAX_TOKENS) for rows in GRAPH_ROWS]
    assert GRAPH_ROWS[-1] == MAX_ROWS
    router = read_config(out / "model_repository/routerdc")
    assert parameter(router, "width_multiple") == "16"  # so that slices have the widths of the graphs
    assert parameter(router, "row_counts") == "1 2 3 4 6 8 12 16 24 32 48 64"  # and their rows
    assert PlanRecord.read(out / "tensorrt").precision == "fp16"  # where nothing is asked for
    assert (router.version_policy.latest.num_versions, config.version_policy.latest.num_versions) == (1, 2)


def test_tensorrt_rtx_serves_its_plan_in_the_models_own_process(bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX has no wheel for this platform")
    out = tmp_path / "out"
    options = ("--target", "tensorrt-rtx", "--precision", "fp16")
    code, output = invoke("--bundle", bundle, "--out", out, *options)
    assert (code, output.count("made")) == (0, 3), output
    model = out / "model_repository/routerdc"
    assert serving(read_config(model)) == ("tensorrt-rtx", TUNED_TOKENS, 2)
    assert not (model / "1" / ENGINE_FILE).exists()
    assert file_sha256(model / "1" / PLAN_FILE) == PlanRecord.read(out / "tensorrt-rtx").plan_sha256
    assert [path.name for path in (out / "model_repository").iterdir()] == ["routerdc"]


def test_a_plan_of_another_graph_is_refused(bundle: Path, tmp_path: Path, tensorrt: None) -> None:
    arguments = ("--bundle", bundle, "--out", tmp_path / "out", "--target", "tensorrt")
    assert invoke(*arguments)[0] == 0
    assert invoke("engine", *arguments, "--precision", "fp32")[0] == 0
    code, output = invoke("repository", *arguments, "--precision", "fp32")
    assert code == 1
    assert "run `routerdc export plan` first" in output
