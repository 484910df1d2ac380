"""The GPU benchmark, tiny and on the CPU: every step runs, on the same code as on a GPU."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from loadtest.gpu.__main__ import main


@pytest.mark.timeout(900)
def test_every_step_runs_and_the_report_has_them_all(tmp_path: Path, triton_platform: None) -> None:
    pytest.importorskip("torch")
    done = CliRunner().invoke(main, ["--smoke", "--encoder", "MiniLM", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    (served,) = json.loads((tmp_path / "served.json").read_text(encoding="utf-8"))
    assert min(served[way] for way in ("engine", "triton", "gateway")) > 0
    shapes = [
        (row["rows"], row["tokens"]) for row in json.loads((tmp_path / "engine.json").read_text(encoding="utf-8"))
    ]
    assert shapes == [(1, 16), (70, 16), (1, 48), (70, 48)]
    report = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert "Not run" not in report
    assert "RouteBatch(64)" in report
    assert (tmp_path / "gpu.png").stat().st_size > 1000


def test_a_report_names_the_steps_that_were_not_run(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["report", "--out", str(tmp_path)]).exit_code == 0
    assert "Not run: product, train, engine, served." in (tmp_path / "gpu.md").read_text(encoding="utf-8")
