"""Step `openvino` on tiny encoders of every architecture, when it is made anew, and what makes it fail."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.artefacts.files import ENGINE_FILE, ENGINE_WEIGHTS_FILE, HEAD_FILE, IR_FILE
from export.artefacts.record import Record
from export.domain.errors import ParityError
from export.domain.targets import Precision
from export.parity.compare import LIMITS
from export.parity.samples import sample_queries
from export.steps.engine import EngineStep
from export.steps.openvino import OpenvinoStep
from export.steps.repository import RepositoryStep
from export.steps.runner import make
from export.triton.config import parameter, read_config
from routerdc_contract.bundle import ENGINE_FOLDER, GRAPH_FOLDER, Manifest
from tests.integration.export.conftest import ENCODERS, invoke

openvino = pytest.importorskip("openvino", reason="the extra openvino is not installed")
TARGET = ("--target", "openvino")
IR_WEIGHTS_FILE = "encoder.bin"


@pytest.mark.parametrize("architecture", ENCODERS)
def test_every_architecture_agrees_with_torch_in_fp32_and_int8(
    architecture: str,
    traced_bundle: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    near_ties = replace(LIMITS["int8"], agreement=0.95)  # nobody taught these encoders to tell queries apart
    monkeypatch.setitem(LIMITS, "int8", near_ties)
    bundle = traced_bundle(architecture)
    precisions: tuple[Precision, ...] = ("fp32", "int8")
    for precision in precisions:
        engine, model = tmp_path / precision, tmp_path / f"openvino-{precision}"
        make(EngineStep(bundle, engine, precision))
        parity = make(OpenvinoStep(bundle, model, engine)).parity
        assert parity is not None
        assert parity.queries == len(sample_queries())
        assert parity.max_batch_error is not None
        assert parity.max_batch_error <= LIMITS[precision].batch_error
        served = make(RepositoryStep(bundle, tmp_path / f"repository-{precision}", model, "openvino")).parity
        assert served is not None
        assert (served.agreement, served.max_score_error) == (parity.agreement, parity.max_score_error)


def test_the_repository_holds_openvinos_files_and_serves_them(bundle: Path, tmp_path: Path) -> None:
    code, output = invoke("--bundle", bundle, "--out", tmp_path, *TARGET)
    assert (code, output.count("made")) == (0, 3), output
    model = tmp_path / "model_repository/routerdc"
    config = read_config(model)
    assert (parameter(config, "engine"), config.instance_group[0].count) == ("openvino", 1)
    files = {path.name for path in (model / "1").iterdir()}
    assert {IR_FILE, IR_WEIGHTS_FILE} <= files
    assert not files & {ENGINE_FILE, ENGINE_WEIGHTS_FILE}


def test_int8_stays_int8(bundle: Path, tmp_path: Path) -> None:
    sizes = {}
    for precision in ("int8", "fp32"):
        assert invoke("--bundle", bundle, "--out", tmp_path / precision, *TARGET, "--precision", precision)[0] == 0
        sizes[precision] = (tmp_path / precision / "openvino" / IR_WEIGHTS_FILE).stat().st_size
    assert sizes["int8"] < 0.35 * sizes["fp32"]


def test_the_record_says_of_what_it_was_made_and_how_well_it_agrees(bundle: Path, tmp_path: Path) -> None:
    invoke("--bundle", bundle, "--out", tmp_path, *TARGET)
    record = Record.read(tmp_path / "openvino")
    assert (record.step, record.bundle_id) == ("openvino", Manifest.read(bundle).bundle_id)
    assert (record.inputs["precision"], record.inputs["openvino"]) == ("int8", openvino.__version__)
    assert "openvino" in record.versions
    assert {IR_FILE, IR_WEIGHTS_FILE} <= record.outputs.keys()
    assert record.parity is not None
    assert record.parity.agreement >= LIMITS["int8"].agreement


def test_a_second_export_makes_nothing_and_another_openvino_anew(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoke("--bundle", bundle, "--out", tmp_path, *TARGET)
    assert invoke("--bundle", bundle, "--out", tmp_path, *TARGET)[1].count("current") == 4
    monkeypatch.setattr(openvino, "__version__", "2031.1")
    assert invoke("--bundle", bundle, "--out", tmp_path, *TARGET)[1].count("made") == 2


def test_answers_unlike_torchs_keep_the_old_model(bundle: Path, tmp_path: Path) -> None:
    engine, model = tmp_path / "engine", tmp_path / "openvino"
    make(EngineStep(bundle, engine))
    make(OpenvinoStep(bundle, model, engine))
    before = Record.read(model)
    with np.load(engine / HEAD_FILE) as head:
        arrays = dict(head)
    arrays["llm_embeddings"] = arrays["llm_embeddings"][::-1]
    (engine / HEAD_FILE).unlink()  # the model's folder holds a link to the same file
    np.savez(engine / HEAD_FILE, **arrays)
    with pytest.raises(ParityError, match=r"openvino in .*openvino does not agree with torch"):
        make(OpenvinoStep(bundle, model, engine))
    assert Record.current(model, before.inputs) == before


def test_no_path_of_this_machine_is_in_it(bundle: Path, tmp_path: Path) -> None:
    invoke("--bundle", bundle, "--out", tmp_path, *TARGET)
    stored = (tmp_path / "openvino" / IR_FILE).read_text(encoding="utf-8")
    assert str(tmp_path) not in stored
    assert str(bundle) not in stored


def test_without_openvino_the_message_says_what_to_install(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    code, output = invoke("--bundle", bundle, "--out", tmp_path, *TARGET)
    assert (code, "routerdc-triton[openvino]" in output) == (1, True)


def test_the_step_needs_an_engine(bundle: Path, tmp_path: Path) -> None:
    assert (bundle / GRAPH_FOLDER).is_dir()
    assert not (bundle / ENGINE_FOLDER).exists()
    code, output = invoke("openvino", "--bundle", bundle, "--out", tmp_path, *TARGET)
    assert (code, "run `routerdc export engine` first" in output) == (1, True)
