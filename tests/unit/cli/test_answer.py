"""What commands answer: the same facts for people and for programs."""

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cli.answer import Answer, answers
from cli.table import Column, Table

LONG = "/a/folder/" + "very-" * 30 + "long/file.json"
TABLE = Table(
    [Column("LLM"), Column("mean quality", ".1%"), Column("where"), Column("note", most_characters=12)],
    [("org/one [7B]", 0.5, LONG, "a sentence that is long"), ("two", math.nan, "", "short"), ("three", None, "", "")],
    "Title",
)


@dataclass(frozen=True)
class Finding:
    where: Path
    score: float


@click.command()
@click.option("--fail", type=click.Choice(["error", "exit"]))
@answers
def command(fail: str | None, answer: Answer) -> None:
    """A command."""
    answer.say("a line")
    answer.add(finding=Finding(Path("x"), math.inf), counts=Counter(a=2), pair=(1, None))
    answer.show("llms", TABLE)
    with answer.part("files") as part:
        part.add(name="first")
    if fail == "error":
        raise click.ClickException("it failed")
    if fail == "exit":
        raise SystemExit(1)


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(command, arguments)


def test_programs_get_one_object_with_values_as_they_are() -> None:
    assert json.loads(run("--json").output) == {
        "finding": {"where": "x", "score": None},
        "counts": {"a": 2},
        "pair": [1, None],
        "llms": [
            {"llm": "org/one [7B]", "mean_quality": 0.5, "where": LONG, "note": "a sentence that is long"},
            {"llm": "two", "mean_quality": None, "where": "", "note": "short"},
            {"llm": "three", "mean_quality": None, "where": "", "note": ""},
        ],
        "files": [{"name": "first"}],
    }


def test_people_get_lines_within_80_columns_and_nothing_is_cut_that_they_may_copy() -> None:
    lines = [line.rstrip() for line in run().output.splitlines()]
    assert lines[:2] == ["a line", "Title"]
    assert max(map(len, lines)) <= 80
    assert "50.0%" in run().output
    assert "–" in run().output
    assert "org/one [7B]" in "".join(lines)
    where = lines[2].index("where")
    assert "".join(line[where:].split(" ")[0] for line in lines[3:] if line) == LONG
    assert "a sentence …" in run().output


@pytest.mark.parametrize(("how", "printed"), [("exit", True), ("error", False)])
def test_a_verdict_is_printed_and_an_error_leaves_standard_output_empty(how: str, printed: bool) -> None:
    result = run("--json", "--fail", how)
    assert result.exit_code == 1
    assert bool(result.stdout) == printed
    assert ("it failed" in result.stderr) != printed


def test_sentences_are_wrapped_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    Answer(as_json=False).explain(f"some words before it and {LONG} after")
    assert capsys.readouterr().out.splitlines() == ["some words before it", "and", LONG, "after"]
