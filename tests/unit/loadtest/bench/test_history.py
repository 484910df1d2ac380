"""Earlier runs: only those of such a machine count, and only what is clearly different is called so."""

import json
from pathlib import Path

import pytest

from loadtest.bench.comparison import Comparison, Goal, Spread
from loadtest.bench.history import Change, changes, line

MACHINE = {
    "cores": 2,
    "processor": "x",
    "generation": "25 17",
    "instructions": ["AVX2", "VNNI"],
    "clock_ghz": 2.6,
    "commit": "1",
}
AT_LEAST = Goal("ratio", least=0.6)


def speed(ours: float, goal: Goal | None = AT_LEAST) -> list[Comparison]:
    return [Comparison("speed", "calls/s", (ours - 1, ours, ours + 1), (100.0, 100.0, 100.0), goal)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two runs: 50 and then 80 calls/s."""
    path = tmp_path / "history.jsonl"
    path.write_text(line("t1", MACHINE, speed(50)) + "\n" + line("t2", MACHINE, speed(80)) + "\n")
    return path


def test_the_last_run_counts(file: Path) -> None:
    assert str(changes(file, MACHINE | {"commit": "2"}, speed(60))["speed"]) == "0.8, -25% worse"
    assert str(changes(file, MACHINE, speed(100))["speed"]) == "0.8, +25% better"
    assert str(changes(file, MACHINE, speed(81))["speed"]) == "0.8, +1%"


@pytest.mark.parametrize("fact", ["cores", "processor", "generation", "instructions"])
def test_other_machines_do_not_count(file: Path, fact: str) -> None:
    assert changes(file, MACHINE | {fact: "other"}, speed(60)) == {}


def test_another_clock_is_another_machine_and_an_unknown_one_is_not(file: Path) -> None:
    assert changes(file, MACHINE | {"clock_ghz": 3.6}, speed(60)) == {}
    for like in (2.4, 2.9, None):
        assert "speed" in changes(file, MACHINE | {"clock_ghz": like}, speed(60))


def test_a_goal_that_is_raised_leaves_the_row_the_same(file: Path) -> None:
    assert "worse" in str(changes(file, MACHINE, speed(60, Goal("ratio", least=0.7)))["speed"])


def test_a_row_that_is_judged_by_another_figure_is_another_row(file: Path) -> None:
    assert changes(file, MACHINE, speed(60, Goal("added", most=1))) == {}


def test_no_history_no_changes(tmp_path: Path) -> None:
    assert changes(tmp_path / "none", MACHINE, speed(60)) == {}


@pytest.mark.parametrize(
    ("unit", "larger_is_better", "verdict"),
    [("calls/s", None, "worse"), ("ms", None, "better"), ("ms", True, "worse"), ("calls/s", False, "better")],
)
def test_rows_without_a_goal_become_worse_too(
    tmp_path: Path, unit: str, larger_is_better: bool | None, verdict: str
) -> None:
    def row(ours: float) -> list[Comparison]:
        rounds = (ours - 1, ours, ours + 1)
        return [Comparison("row", unit, rounds, (100.0,) * 3, larger_is_better=larger_is_better)]

    path = tmp_path / "history.jsonl"
    path.write_text(line("t", MACHINE, row(80)) + "\n")
    assert str(changes(path, MACHINE, row(60))["row"]) == f"0.8, -25% {verdict}"


def test_less_is_better_where_the_goal_is_an_upper_bound() -> None:
    grown = Change(Spread(1, 2, 3), Spread(4, 5, 6), larger_is_better=False)
    assert grown.verdict == "worse"


def test_line_has_the_bounded_figure_and_its_verdict() -> None:
    added = Comparison("p50", "ms", (3.0,), (1.0,), Goal("added", most=1))
    row = json.loads(line("t", MACHINE, [added]))["rows"]["p50"]
    assert (row["median"], row["goal"], row["verdict"], row["ours"]) == (2, "added ≤ 1 ms", "missed", 3)
