"""The runner decides what is made anew, and an old artefact stands until a new one has passed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from export.artefacts.record import Record
from export.errors import ExportError, ParityError
from export.onnx import trace
from export.parity.compare import Answers
from export.steps.graph import GraphStep
from export.steps.plan import PlanStep
from export.steps.runner import make, run
from export.steps.step import Evidence, Step
from export.targets import Precision
from routerdc_contract.bundle import GRAPH_FOLDER
from tests.unit.export.conftest import DEFAULT_BUNDLE, invoke

TORCH = Answers(
    embedding=np.zeros((4, 2), dtype=np.float32),
    scores=np.array([[1, 0]] * 4, dtype=np.float32),
    token_count=np.ones(4, dtype=np.int32),
)
OTHER = replace(TORCH, scores=TORCH.scores[:, ::-1].copy())


@dataclass(frozen=True)
class FakeStep(Step):
    """Writes `content`, which answers `answers`."""

    content: str = "one"
    answers: Answers = TORCH
    precision: Precision = "int8"
    is_own: bool = True
    protected: bool = False
    name = "fake"

    def inputs(self) -> dict[str, str]:
        return {"content": self.content}

    def refuse_to_replace(self) -> None:
        if self.protected:
            raise ExportError("protected")

    def build(self, draft: Path) -> Evidence:
        assert not list(draft.iterdir())
        (draft / "artefact").write_text(self.content)
        return Evidence(self.precision, TORCH, self.answers, is_own=self.is_own)


@pytest.fixture
def step(tmp_path: Path) -> FakeStep:
    return FakeStep(DEFAULT_BUNDLE, tmp_path / "folder")


def test_a_current_artefact_is_kept_and_a_changed_input_makes_it_anew(step: FakeStep) -> None:
    assert [run(step)[1], run(step)[1], run(replace(step, content="two"))[1]] == [True, False, True]
    assert (step.folder / "artefact").read_text() == "two"


def test_what_fails_the_gate_leaves_the_old_artefact_and_names_the_remedy(step: FakeStep) -> None:
    make(step)
    with pytest.raises(ParityError, match=r"fake in .*folder does not agree.*: use --precision fp32"):
        make(replace(step, content="two", answers=OTHER))
    assert (step.folder / "artefact").read_text() == "one"
    assert Record.current(step.folder, step.inputs())


def test_without_rounding_there_is_no_remedy_to_name(step: FakeStep) -> None:
    with pytest.raises(ParityError) as error:
        make(replace(step, answers=OTHER, precision="fp32"))
    assert "--precision" not in str(error.value)


def test_what_could_not_run_has_no_parity_but_its_graph_passes_the_gate(step: FakeStep) -> None:
    assert make(replace(step, is_own=False)).parity is None
    with pytest.raises(ParityError):
        make(replace(step, is_own=False, answers=OTHER))


def test_a_protected_artefact_is_replaced_only_by_a_step_that_is_named(step: FakeStep) -> None:
    with pytest.raises(ExportError, match="protected"):
        run(replace(step, protected=True))
    make(replace(step, protected=True))
    assert (step.folder / "artefact").is_file()


def test_a_graph_that_does_not_agree_leaves_the_old_one(
    bundle: Path, few_samples: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bundle / GRAPH_FOLDER
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    real: Callable[..., Answers] = trace.torch_answers

    def damaged(router: object, queries: list[str]) -> Answers:
        answers = real(router, queries)
        return replace(answers, scores=answers.scores + 1)

    monkeypatch.setattr("export.onnx.trace.torch_answers", damaged)
    with pytest.raises(ParityError, match=r"graph in .* does not agree with torch"):
        make(GraphStep.of(bundle))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_plan_that_cannot_be_built_leaves_the_old_one(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX has no wheel for this platform")
    out = tmp_path / "out"
    options = ("--target", "tensorrt-rtx", "--precision", "fp16")
    code, output = invoke("--bundle", bundle, "--out", out, *options)
    assert code == 0
    assert output.count("not run") == 2, output  # neither the plan nor the repository with it runs on this machine
    plan = out / "tensorrt-rtx"
    before = {path.name: path.read_bytes() for path in plan.iterdir()}

    def fails(*_: object) -> None:
        raise ExportError("TensorRT ran out of memory")

    monkeypatch.setattr("export.steps.plan.build_plan", fails)
    with pytest.raises(ExportError, match="out of memory"):
        make(PlanStep(bundle, plan, out / "engine", "tensorrt-rtx", out))
    assert {path.name: path.read_bytes() for path in plan.iterdir()} == before
