"""The report: what locust's events bring ends in its CSV and HTML, in one process and in several."""

import csv
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from locust.env import Environment
from locust.event import Events

from loadtest.users import report
from loadtest.users.record import record
from loadtest.users.timings import CLIENT, TIMINGS


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    options = SimpleNamespace(csv_prefix=str(tmp_path / "run"), html_file=str(tmp_path / "report.html"))
    (tmp_path / "report.html").write_text("<html><body>locust's own</body></html>")
    environment = Environment(events=Events(), parsed_options=options)
    environment.create_local_runner()  # counts what the events tell
    report.attach(environment)
    yield environment
    TIMINGS.clear()


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "run_timings.csv").open() as file:
        return list(csv.DictReader(file))


def test_calls_end_in_csv_and_html_but_failed_ones_are_not_timed(environment: Environment, tmp_path: Path) -> None:
    record(environment, "gRPC", "Route", 0.010)
    record(environment, "gRPC", "Route", 0.900, "DEADLINE_EXCEEDED")
    environment.events.quit.fire(exit_code=0)
    (row,) = rows(tmp_path)
    assert (row["request"], row["stage"], row["calls"]) == ("Route", CLIENT, "1")
    assert float(row["max_ms"]) == pytest.approx(10, rel=0.02)
    page = (tmp_path / "report.html").read_text()
    assert page.index("locust's own") < page.index("<td>Route</td>") < page.index("</body>")


def test_failures_are_counted_by_status_code(environment: Environment) -> None:
    for _ in range(3):
        record(environment, "gRPC", "Route", 0.9, "UNAVAILABLE")
    (error,) = environment.stats.errors.values()
    assert error.occurrences == 3
    assert "UNAVAILABLE" in str(error.error)


def test_workers_send_timings_and_the_master_adds_them(environment: Environment, tmp_path: Path) -> None:
    record(environment, "gRPC", "Route", 0.010)
    data: dict[str, object] = {}
    environment.events.report_to_master.fire(client_id="worker", data=data)
    for _ in range(2):
        environment.events.worker_report.fire(client_id="worker", data=data)
    environment.events.quit.fire(exit_code=0)
    assert rows(tmp_path)[0]["calls"] == "2"


def test_a_new_test_starts_at_nothing(environment: Environment, tmp_path: Path) -> None:
    record(environment, "gRPC", "Route", 0.010)
    environment.events.test_start.fire(environment=environment)
    environment.events.quit.fire(exit_code=0)
    assert rows(tmp_path) == []
