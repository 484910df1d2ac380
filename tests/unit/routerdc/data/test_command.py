"""`routerdc data check`."""

import json
from pathlib import Path

from click.testing import CliRunner

from routerdc.data.command import data
from routerdc.data.loading import load
from routerdc.data.summary import summarise

ROWS = [
    {"question": "one", "scores": {"alpha": 1.0, "beta": 0.0}, "costs": {"alpha": 0.004, "beta": 0.001}},
    {"question": "ONE", "scores": {"alpha": 0.5, "beta": 0.5}, "costs": {"alpha": 0.002, "beta": 0.001}},
    {"question": "three!", "scores": {"beta": 1.0}, "costs": {"beta": 0.001}},
]


def written(folder: Path, name: str = "set.jsonl", extra: str = "") -> Path:
    path = folder / name
    path.write_text("\n".join(map(json.dumps, ROWS)) + "\n" + extra, encoding="utf-8")
    return path


def test_summary_of_three_rows_by_hand(tmp_path: Path) -> None:
    summary = summarise(load(written(tmp_path)))
    alpha, beta = summary.llms
    assert (alpha.quality, alpha.missing, alpha.cost) == (0.75, 1 / 3, 0.003000000142492354)
    assert (beta.quality, beta.missing) == (0.5, 0)
    assert (summary.best_single, summary.best_quality) == ("alpha", 0.75)
    assert (summary.oracle, summary.judged) == (0.75, 2)  # where alpha has a grade, too
    assert summary.undecidable == 2 / 3
    assert summary.missing == 1 / 6
    assert (summary.duplicates, summary.length_max, summary.length_mean) == (1, 6, 4)


def test_check_prints_qualities_costs_and_duplicates_between_files(tmp_path: Path) -> None:
    paths = [str(written(tmp_path, name)) for name in ("first.jsonl", "second.jsonl")]
    result = CliRunner().invoke(data, ["check", *paths])
    assert result.exit_code == 0
    for text in ("first: 3 rows, 2 LLMs", "75.00%", "33.33%", "3.000", "oracle 75.00%", "3 queries of second"):
        assert text in result.output


def test_check_stops_at_bad_rows_and_goes_on_with_skip(tmp_path: Path) -> None:
    path = str(written(tmp_path, extra="{}\n"))
    stopped = CliRunner().invoke(data, ["check", path])
    assert stopped.exit_code == 1
    assert "row 4: question: missing" in stopped.output
    skipped = CliRunner().invoke(data, ["check", "--skip-bad-rows", path])
    assert skipped.exit_code == 0
    assert "3 rows, 1 bad rows skipped" in skipped.output
    assert "row 4: question: missing" in " ".join(skipped.output.split())
