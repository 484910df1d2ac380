"""The same run as table, Markdown and JSON."""

import datetime
import json
from pathlib import Path

from loadtest.bench.__main__ import HISTORY, write
from loadtest.bench.comparison import Comparison, Goal, Spread
from loadtest.bench.history import Change
from loadtest.bench.report import Run

MACHINE = {"cores": 2, "versions": {"grpcio": "1.0"}}
RUN = Run(
    MACHINE,
    [
        Comparison("speed", "calls/s", (500.0, 700.0, 600.0), (1000.0, 1000.0, 1000.0), Goal("ratio", least=0.6), "c1"),
        Comparison("p50", "ms", (3.0,), (1.0,), Goal("added", most=1)),
        Comparison("workers", "calls/s", (3.0,), (2.0,), Goal("ratio", least=1.8, cores=4)),
    ],
)


def test_markdown_has_medians_spread_goal_and_verdict() -> None:
    page = RUN.as_markdown("Title", "Command: x")
    assert "| speed | 600 calls/s | 1,000 calls/s | 0.6 (0.5 to 0.7) | ratio ≥ 0.6 | met |  |" in page
    assert "| p50 | 3 ms | 1 ms | 3; added 2 ms | added ≤ 1 ms | missed |  |" in page
    assert "| ratio ≥ 1.8 | not measurable here |" in page
    assert "1 goals met, 1 goals missed, 1 goals not measurable here. Worse than in the last run: nothing." in page
    assert "* speed: 3 rounds; c1" in page
    assert "* versions: grpcio 1.0" in page


def test_table_has_a_row_for_each_comparison() -> None:
    assert RUN.as_table().row_count == 3


def test_files_hold_every_round_and_runs_pile_up(tmp_path: Path) -> None:
    for day in (2, 3):
        write(RUN, tmp_path / "benchmarks", datetime.datetime(2026, 1, day, tzinfo=datetime.UTC))
    written = json.loads((tmp_path / "benchmarks/bench.json").read_text())
    assert written["machine"] == MACHINE
    first = written["comparisons"][0]
    assert (first["ours"], first["ratio"]["median"], first["verdict"]) == ([500, 700, 600], 0.6, "met")
    assert "# Benchmarks, 2026-01-03" in (tmp_path / "benchmarks/bench.md").read_text()
    runs = [json.loads(line) for line in (tmp_path / "benchmarks" / HISTORY).read_text().splitlines()]
    assert [run["time"][:10] for run in runs] == ["2026-01-02", "2026-01-03"]


def test_what_became_worse_is_named() -> None:
    before = Spread(0.7, 0.8, 0.9)
    worse = Run(MACHINE, RUN.comparisons, {"speed": Change(before, Spread(0.5, 0.6, 0.65), larger_is_better=True)})
    page = worse.as_markdown("Title", "Command: x")
    assert "| ratio ≥ 0.6 | met | 0.8, -25% worse |" in page
    assert "Worse than in the last run: speed." in page
