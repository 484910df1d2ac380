"""The runner decides what is made anew, and an old artefact stands until a new one has passed."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from export.artefacts.record import Record
from export.domain.errors import ExportError, ParityError
from export.domain.targets import Precision
from export.parity.compare import Answers
from export.steps.runner import make, run
from export.steps.step import Evidence, Step

DEFAULT_BUNDLE = Path(__file__).parents[4] / "bundles/default"
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
