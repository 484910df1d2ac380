"""chosen.yaml against what it is derived from, and against the settings that it names."""

import json
import re
from pathlib import Path

import pytest
import yaml

from gateway.config.settings import Settings
from loadtest.autoscaling import chosen
from loadtest.autoscaling.service_times import MEASURED, ServiceTimes
from loadtest.autoscaling.simulate import variants
from loadtest.autoscaling.simulation import Setting

SIMULATED = Path(__file__).parents[4] / "docs/explanation/autoscaling.json"
CHOSEN = chosen.read()
TRIGGERS = CHOSEN["triton"]["triggers"]


def test_a_core_has_room_above_its_target_and_below_its_capacity() -> None:
    target = TRIGGERS["queries_per_second_per_core"]["target"]
    assert 0.5 < target / ServiceTimes.read().capacity < 0.65


def test_the_queries_have_the_window_that_was_simulated_and_samples_enough_in_it() -> None:
    triton = CHOSEN["triton"]
    windows = {int(w) for t in TRIGGERS.values() for w in re.findall(r"\[(\d+)s\]", t["query"])}
    assert windows == {triton["rate_window_seconds"]}
    assert triton["rate_window_seconds"] >= 4 * triton["scrape_interval_seconds"]


@pytest.mark.parametrize("name", ["triton_window", "max_triton_batch"])
def test_the_simulation_runs_with_the_gateways_own_defaults(name: str) -> None:
    assert CHOSEN["gateway"][name] == getattr(Settings().scoring, name)
    simulated = Setting(ServiceTimes.read(), start_seconds=20)
    assert {"triton_window": simulated.window, "max_triton_batch": simulated.max_batch}[name] == (
        CHOSEN["gateway"][name]
    )
    assert simulated.deadline_seconds * 1e3 == Settings().deadlines.deadline_ms


def test_the_recorded_results_are_those_of_the_variants_there_are() -> None:
    recorded = json.loads(SIMULATED.read_text())
    plan = chosen.plan(CHOSEN["triton"])
    assert list(recorded) == list(variants(plan, Setting(ServiceTimes.read(), start_seconds=20)))


def test_nothing_cheaper_that_was_simulated_loses_fewer_queries() -> None:
    recorded = json.loads(SIMULATED.read_text())
    ours = recorded["chosen"]
    same_world = [row for name, row in recorded.items() if not name.startswith(("queries cost", "pods start"))]
    assert not [
        row
        for row in same_world
        if row["pod-hours"] < ours["pod-hours"] and row["default LLM, %"] < ours["default LLM, %"]
    ]


def test_the_page_on_scale_has_the_recorded_results() -> None:
    page = (SIMULATED.with_name("scaling.md")).read_text()
    recorded = json.loads(SIMULATED.read_text())
    rows = {name: [f"{value:g}" for value in figures.values()] for name, figures in recorded.items()}
    shown = {cells[0].strip("* "): cells[1:] for cells in _table_rows(page) if cells[0].strip("* ") in rows}
    assert shown == rows


def test_the_page_on_scale_has_the_measured_costs() -> None:
    page = (SIMULATED.with_name("scaling.md")).read_text()
    measured = yaml.safe_load(MEASURED.read_text())
    shown = {cells[0]: cells[1:] for cells in _table_rows(page)}
    for row, key in (("64 tokens", "cpu_ms_per_query"), ("26 tokens", "cpu_ms_per_sample_query")):
        assert shown[row] == [f"{ms:.2f}" for ms in measured[key].values()]


def _table_rows(page: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in page.splitlines() if line[:1] == "|"]
