"""Reports on disk and in the terminal."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from cli.answer import Answer
from routerdc.data.dataset import Dataset
from routerdc.evaluation.evaluate import Options, Subject, evaluate
from routerdc.evaluation.measures.report import Report
from routerdc.evaluation.reports.tables import short_names, tables
from routerdc.evaluation.reports.terminal import show
from routerdc.evaluation.reports.writing import write
from tests.support.data.two_subjects import embed, only_cheap


@pytest.fixture(scope="module")
def report(subject: Subject, train: list[Dataset], test: list[Dataset]) -> Report:
    named = replace(subject, name="small & <sharp>")
    return evaluate(named, train, test, embed, Options(cost=True))


@pytest.fixture(scope="module")
def folder(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write(report, folder)
    return folder


def test_all_files_are_written_and_the_json_reads_back(report: Report, folder: Path) -> None:
    plots = re.findall(r"\]\(([^)]*\.png)\)", (folder / "report.md").read_text())
    assert len(plots) == 4 + len(report.costs)
    assert {path.name for path in folder.iterdir()} == {"report.json", "report.md", "report.html", *plots}
    assert Report.model_validate(json.loads((folder / "report.json").read_text())) == report
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in plots)


def test_html_page_needs_nothing_else_and_escapes_names(report: Report, folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "small &amp; &lt;sharp&gt;" in page
    assert "<sharp>" not in page
    sources = re.findall(r'(?:src|href)="([^"]{20})', page)
    assert len(sources) == 4 + len(report.costs)
    assert all(source.startswith("data:image/svg+xml;") for source in sources)
    assert page.count("<table>") == len(tables(report))


def test_tables_are_rectangular_and_reach_every_output(report: Report, folder: Path) -> None:
    markdown = (folder / "report.md").read_text()
    for table in tables(report):
        assert {len(row) for row in table.rows} == {len(table.header)}
        assert f"## {table.title}" in markdown
    assert f"{report.lines[0].sets['odes'].mean:.2f}" in markdown


def test_the_terminal_shows_the_verdict_first_and_fits_eighty_columns(
    report: Report, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    many = report.model_copy(update={"llms": [f"org/an-llm-with-a-long-name-{n}" for n in range(71)]})
    path = Path("build") / ("long" * 30) / "report.md"
    monkeypatch.setenv("COLUMNS", "80")
    show(Answer(as_json=False), many, [path])
    lines = capsys.readouterr().out.splitlines()
    assert report.verdict is not None
    assert " ".join(lines).startswith(report.verdict.sentences[0][:60])
    assert all(len(line) <= 80 for line in lines if "report.md" not in line)
    assert f"wrote {path}" in lines
    assert any(f"{report.lines[0].groups['in distribution'].mean:.2f}" in line for line in lines)


def test_no_query_stands_in_any_output(folder: Path, test: list[Dataset]) -> None:
    for path in folder.iterdir():
        if path.suffix != ".png":
            assert test[0].queries[3] not in path.read_text()


def test_collapsed_router_is_called_so_loudly(
    subject: Subject, train: list[Dataset], test: list[Dataset], tmp_path: Path
) -> None:
    stuck = replace(subject, score=only_cheap)
    write(evaluate(stuck, train, test, embed, Options(robustness=False)), tmp_path)
    said = "COLLAPSED: router: small gives at least 95% of the queries to cheap"
    assert f"- {said}" in (tmp_path / "report.md").read_text()
    assert f'<p class="warning">{said}</p>' in (tmp_path / "report.html").read_text()


def test_short_names_drop_the_organisation_only_where_they_stay_different() -> None:
    assert short_names(["x/a", "y/b", "c"]) == ["a", "b", "c"]
    assert short_names(["x/a", "y/a"]) == ["x/a", "y/a"]
