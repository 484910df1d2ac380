"""Step `plan`: what lies beside the plan, when it is built anew and when it is refused."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from export.artefacts.files import ENGINE_FILE
from export.artefacts.record import Record
from export.domain.errors import ExportError
from export.parity.compare import LIMITS
from export.steps import plan
from export.steps.plan import AHEAD_OF_TIME, PLAN_FILE, PLAN_RECORD_FILE, PlanRecord, PlanStep, gpu_of
from export.steps.runner import make
from export.tensorrt.builder import Flavour, Plan
from export.tensorrt.profiles import profiles
from routerdc_contract.bundle import ENGINE_FOLDER, Manifest, file_sha256
from tests.integration.export.conftest import MAX_TOKENS, invoke

trt = pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX has no wheel for this platform")
RTX = ("--target", "tensorrt-rtx", "--precision", "fp16")


@pytest.fixture(scope="module")
def planned(traced: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished plan."""
    out = tmp_path_factory.mktemp("planned")
    code, output = invoke("--bundle", traced, "--out", out, *RTX)
    assert (code, output.count("made")) == (0, 3), output
    return out


@pytest.fixture
def out(planned: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(planned, tmp_path / "out"))


def change(path: Path, **fields: str) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_the_plan_lies_beside_what_it_is_for(bundle: Path, out: Path) -> None:
    folder = out / "tensorrt-rtx"
    record = PlanRecord.read(folder)
    assert (record.flavour, record.version, record.gpu) == ("tensorrt-rtx", trt.__version__, AHEAD_OF_TIME)
    assert (record.precision, record.profiles, record.warnings) == ("fp16", profiles(MAX_TOKENS), [])
    assert record.onnx_sha256 == file_sha256(out / "engine" / ENGINE_FILE)
    assert record.trtexec.startswith("tensorrt_rtx --onnx=encoder.onnx --saveEngine=model.plan")
    assert Record.read(folder).bundle_id == Manifest.read(bundle).bundle_id


def test_a_second_export_builds_nothing(bundle: Path, out: Path) -> None:
    code, output = invoke("--bundle", bundle, "--out", out, *RTX)
    assert (code, output.count("current")) == (0, 4)


def test_another_precision_builds_anew(bundle: Path, out: Path) -> None:
    code, output = invoke("--bundle", bundle, "--out", out, "--target", "tensorrt-rtx", "--precision", "bf16")
    assert (code, output.count("made")) == (0, 3)
    assert PlanRecord.read(out / "tensorrt-rtx").precision == "bf16"


def test_int8_for_gpus_is_judged_against_torch_and_leaves_the_bundles_own_engine_alone(
    bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, output = invoke("--bundle", bundle, "--out", out, "--target", "tensorrt-rtx", "--precision", "int8")
    assert (code, output.count("made")) == (0, 3), output
    assert PlanRecord.read(out / "tensorrt-rtx").precision == "int8-gpu"
    parity = Record.read(out / "engine").parity
    assert parity is not None
    assert parity.agreement >= LIMITS["int8"].agreement
    assert not (bundle / ENGINE_FOLDER).exists()


@pytest.mark.parametrize(
    "elsewhere",
    [{"version": "1.6.0.9"}, {"gpu": "NVIDIA H200, 9.0"}, {"flavour": "tensorrt"}],
    ids=lambda change: str(change),
)
def test_a_plan_from_elsewhere_is_refused_and_kept(bundle: Path, out: Path, elsewhere: dict[str, str]) -> None:
    change(out / "tensorrt-rtx" / PLAN_RECORD_FILE, **elsewhere)
    before = file_sha256(out / "tensorrt-rtx" / PLAN_RECORD_FILE)
    code, output = invoke("--bundle", bundle, "--out", out, *RTX)
    assert code == 1
    assert f"built with {elsewhere.get('flavour', 'tensorrt-rtx')} " in output
    assert f"here is tensorrt-rtx {trt.__version__}" in output
    assert file_sha256(out / "tensorrt-rtx" / PLAN_RECORD_FILE) == before


def test_a_plan_from_elsewhere_is_replaced_on_request(bundle: Path, out: Path) -> None:
    change(out / "tensorrt-rtx" / PLAN_RECORD_FILE, version="1.6.0.9")
    assert invoke("plan", "--bundle", bundle, "--out", out, *RTX)[0] == 0
    assert PlanRecord.read(out / "tensorrt-rtx").version == trt.__version__


def test_a_damaged_plan_is_refused(bundle: Path, out: Path) -> None:
    (out / "tensorrt-rtx" / PLAN_FILE).write_bytes(b"plan")
    code, output = invoke("--bundle", bundle, "--out", out, *RTX)
    assert (code, "not the plan that plan.json describes" in output) == (1, True)


def test_a_plan_needs_an_engine(bundle: Path, tmp_path: Path) -> None:
    code, output = invoke("plan", "--bundle", bundle, "--out", tmp_path / "out", *RTX)
    assert (code, "run `routerdc export engine` first" in output) == (1, True)


def test_without_tensorrt_the_step_says_where_to_run(bundle: Path, tmp_path: Path) -> None:
    code, output = invoke("--bundle", bundle, "--out", tmp_path / "out", "--target", "tensorrt")
    assert (code, "NVIDIA's TensorRT or Triton container" in output) == (1, True)


@pytest.mark.parametrize(("step", "target"), [("plan", "onnxruntime"), ("plan", "onnxruntime-cuda")])
def test_a_step_that_the_target_does_not_have_is_refused(bundle: Path, tmp_path: Path, step: str, target: str) -> None:
    code, output = invoke(step, "--bundle", bundle, "--out", tmp_path / "out", "--target", target)
    assert (code, f"{step}: not a step of --target {target}" in output) == (1, True)


def test_tensorrt_asks_the_driver_for_the_first_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'NVIDIA H200, 9.0'\necho 'NVIDIA L4, 8.9'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert gpu_of("tensorrt") == "NVIDIA H200, 9.0"


def test_tensorrt_without_a_gpu_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExportError, match="builds on the GPU that will run the plan, none found"):
        gpu_of("tensorrt")


def test_timing_caches_are_kept_apart_by_version_and_gpu(
    bundle: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Path] = []

    def build(_flavour: Flavour, _graph: object, _shapes: object, timing_cache: Path) -> Plan:
        used.append(timing_cache)
        return Plan(b"plan", ())

    monkeypatch.setattr(plan, "build_plan", build)
    monkeypatch.setattr(plan, "bindings", lambda _: SimpleNamespace(__version__="10.16.1.11"))
    for gpu in ("NVIDIA L4, 8.9", "NVIDIA H100 80GB HBM3, 9.0"):
        monkeypatch.setattr(plan, "gpu_of", lambda _, gpu=gpu: gpu)
        make(PlanStep(bundle, out / "tensorrt", out / "engine", "tensorrt", tmp_path / "caches"))
    names = ["tensorrt-10.16.1.11-nvidia-l4-8.9", "tensorrt-10.16.1.11-nvidia-h100-80gb-hbm3-9.0"]
    assert used == [tmp_path / "caches" / f"{name}.timing-cache" for name in names]
