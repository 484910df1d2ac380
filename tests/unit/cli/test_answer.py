"""What commands answer: the same facts for people and for programs."""

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cli.answer import Answer, answers
from cli.command import main
from cli.table import Column, Table

LONG = "/a/folder/" + "very-" * 30 + "long/file.json"
TABLE = Table(
    [Column("LLM"), Column("mean quality", ".1%"), Column("where"), Column("note", most_characters=12)],
    [("org/one [7B]", 0.5, LONG, "a sentence that is long"), ("two", math.nan, "", "short"), ("three", None, "", "")],
    "Title",
)
NO_TABLE = {
    *("serve", "gateway", "triton", "console", "stand-ins"),  # they run until they are stopped
    "envoy-config",  # its output is a configuration, JSON if asked
    *("collect", "grade", "import", "prior", "refresh"),  # they say a few lines; their result is a file
}
"""Commands without a table, so without --json."""


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


def all_commands(group: click.Group, *names: str) -> dict[str, click.Command]:
    context = click.Context(group)
    found: dict[str, click.Command] = {}
    for name in group.list_commands(context):
        member = group.get_command(context, name)
        assert member is not None
        words = (*names, name)
        found |= all_commands(member, *words) if isinstance(member, click.Group) else {" ".join(words): member}
    return found


@pytest.fixture(scope="module")
def commands() -> dict[str, click.Command]:
    assert isinstance(main, click.Group)
    return all_commands(main)


def test_every_command_that_prints_a_table_has_json(commands: dict[str, click.Command]) -> None:
    with_json = {name for name, one in commands.items() if any(p.name == "as_json" for p in one.params)}
    assert with_json == commands.keys() - NO_TABLE


def test_every_table_is_printed_by_the_one_mechanism(commands: dict[str, click.Command]) -> None:
    def source(one: Any) -> str:
        return Path(one.callback.__code__.co_filename).read_text(encoding="utf-8")

    assert [name for name, one in commands.items() if "from rich.table" in source(one)] == []
    assert [name for name in NO_TABLE if "Table(" in source(commands[name])] == []
