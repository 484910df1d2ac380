"""The report of load curves: every figure where it belongs, failures told, a plot from any recorded curve."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from loadtest.curves import report


def point(rate: float, p99: float | None, errors: dict[str, int] | None = None, tries: int = 1) -> dict[str, Any]:
    return {
        "rate_per_second": rate,
        "offered_per_second": rate,
        "answered_per_second": rate * 0.9,
        "requests": round(rate * 12),
        "errors": errors or {},
        "latency_ms": {"p50": 4.04, "p95": 9.0, "p99": p99, "p99.9": None},
        "late_p99_ms": 0.2,
        "within_goal": p99 is not None and p99 <= 50,
        "tries": tries,
    }


def curve(**changed: Any) -> dict[str, Any]:
    return {
        "description": "Triton alone",
        "recorded": "2026-11-22",
        "goal_p99_ms": 50,
        "highest_rate_within_goal": 40,
        "points": [point(40, 12.5), point(80, None, {"DEADLINE_EXCEEDED": 17}, tries=2)],
        "perf_analyzer": [point(40, 11.5)],
        "served": "bundle abc, engine onnxruntime",
        "machine": {
            "cores": 2,
            "processor": "P",
            "system": "Linux",
            "python": "3.11",
            "load_average_before": [0.5],
            "versions": {"grpcio": "1"},
            "commit": "c0ffee",
        },
    } | changed


def test_the_page_has_the_highest_rate_every_point_and_where_it_was_recorded() -> None:
    page = report.markdown([curve()])
    assert "| Triton alone | 40/s | p99 ≤ 50 ms | 4.0 ms | 12.5 ms |" in page
    assert "| 40/s | 36/s | 480 | 4.0 ms | 9.0 ms | 12.5 ms | — |  | 0.20 ms |" in page
    assert "| 80/s (2 tries) | 72/s | 960 | 4.0 ms | 9.0 ms | — | — | 17 DEADLINE_EXCEEDED | 0.20 ms |" in page
    assert "perf_analyzer" in page
    assert "commit c0ffee; bundle abc, engine onnxruntime" in page


def test_a_target_that_never_held_the_goal_says_so() -> None:
    page = report.markdown([curve(highest_rate_within_goal=None, perf_analyzer=[])])
    assert "| Triton alone | none | p99 ≤ 50 ms | | |" in page


def test_only_recorded_curves_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(f'{{"description": "{name}"}}')
    assert [one["description"] for one in report.read(tmp_path, ["a", "missing", "b"])] == ["a", "b"]


def test_the_plot_is_drawn_even_of_curves_without_a_highest_rate(tmp_path: Path) -> None:
    curves = [curve(), curve(highest_rate_within_goal=None, points=[point(80, None)], perf_analyzer=[])]
    report.plot(curves, tmp_path / "curves.svg")
    assert ElementTree.parse(tmp_path / "curves.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own file


def test_a_generator_that_was_late_is_a_warning() -> None:
    late = point(40, 12.5) | {"late_p99_ms": 18.0}
    assert "**Disturbed**: the load generator itself was up to 18 ms late" in report.markdown([curve(points=[late])])
    assert "Disturbed" not in report.markdown([curve()])
