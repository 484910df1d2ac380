"""The real steps graph and plan: an old artefact stands until a new one has passed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from export.domain.errors import ExportError, ParityError
from export.onnx import trace
from export.parity.compare import Answers
from export.steps.graph import GraphStep
from export.steps.plan import PlanStep
from export.steps.runner import make
from routerdc_contract.bundle import GRAPH_FOLDER
from tests.integration.export.conftest import invoke


def test_a_graph_that_does_not_agree_leaves_the_old_one(
    bundle: Path, encoder_graph: Callable[[str], onnx.ModelProto], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = onnx.ModelProto()
    graph.CopyFrom(encoder_graph("bert"))
    folder = bundle / GRAPH_FOLDER
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    real: Callable[..., Answers] = trace.torch_answers

    def damaged(router: object, queries: list[str]) -> Answers:
        answers = real(router, queries)
        return replace(answers, scores=answers.scores + 1)

    monkeypatch.setattr("export.onnx.trace.trace", lambda *_: graph)  # of this bundle, traced before
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
