"""How a table was graded, as `routerdc data check` shows it."""

import json
from pathlib import Path

from click.testing import CliRunner

from routerdc.data.command import data
from routerdc.data.coverage import coverage

JUDGE = "judge gpt pointwise"


def write(path: Path) -> Path:
    row = {
        "question": "Why?", "domain": "law", "scores": {"a": 1.0, "b": 0.5}, "costs": {"a": 0.25, "b": 0.5},
        "graded_by": {"a": JUDGE, "b": JUDGE}, "missing": {"c": "cut by max_tokens"},
    }  # fmt: skip
    other = row | {
        "question": "How?",
        "scores": {"a": 0.0, "c": 1.0},
        "graded_by": {"a": JUDGE, "c": "import"},
        "missing": {},
    }
    path.write_text("".join(json.dumps(one) + "\n" for one in (row, other)))
    path.with_suffix(".yaml").write_text(
        f"grading: {{{JUDGE}: {{kappa: 0.71, low: 0.6, high: 0.8, rows: 80, length_bias: 0.1}}}}\n"
    )
    return path


def test_grades_reasons_domains_and_dollars_are_counted(tmp_path: Path) -> None:
    found = coverage(write(tmp_path / "graded.jsonl"))
    assert found.graders == {JUDGE: 3, "import": 1}
    assert found.missing["c"] == {"cut by max_tokens": 1}
    assert found.domains["law"]["a"] == [1.0, 0.0]
    assert found.dollars == 1.5


def test_data_check_says_who_graded_and_what_is_missing_and_why(tmp_path: Path) -> None:
    output = CliRunner().invoke(data, ["check", str(write(tmp_path / "graded.jsonl"))]).output
    flat = " ".join(output.split())
    assert f"3 grades by {JUDGE}: Cohen's kappa with people 0.71 (0.60 to 0.80)" in flat
    assert "1 grades by import: not held against people" in flat
    assert "missing of c: 1 cut by max_tokens" in flat
    assert "50.0 (2)" in output
    assert "all answers cost $1.5000" in output


def test_a_table_without_such_fields_shows_nothing_of_it(tmp_path: Path) -> None:
    (path := tmp_path / "plain.jsonl").write_text('{"question": "Why?", "scores": {"a": 1, "b": 0}}\n')
    output = CliRunner().invoke(data, ["check", str(path)]).output
    assert "grades by" not in output
    assert "by domain" not in output
