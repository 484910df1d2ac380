"""Rows of several runs stand in one table, cheapest first."""

from pathlib import Path

from routerdc.students.table import Row, add, markdown, plot

TEACHER = Row("teacher", 0.99, {"in": [58.0, 59.0], "out": [46.0]})
STUDENT = Row("static-128", 0.0, {"in": [57.5, 57.5], "out": [45.0]})


def test_a_new_row_replaces_the_encoders_old_one(tmp_path: Path) -> None:
    file = tmp_path / "folder/students.json"
    add(TEACHER, file)
    add(Row("static-128", 0.0, {"in": [1.0]}), file)
    assert add(STUDENT, file) == [STUDENT, TEACHER]


def test_markdown_has_compute_mean_and_spread(tmp_path: Path) -> None:
    page = markdown([STUDENT, TEACHER])
    assert "| encoder | MFLOP a query | in | out |" in page
    assert "| teacher | 990.0 | 58.50 ± 0.71 | 46.00 |" in page
    assert "| static-128 | 0.0 | 57.50 ± 0.00 | 45.00 |" in page
    plot([STUDENT, TEACHER], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000
