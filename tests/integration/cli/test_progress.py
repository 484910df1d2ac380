"""Commands that take longer than a moment say on a terminal what they are at, and write none of it into a pipe."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.command import main
from tests.unit.labelling.importers.test_importers import DATA

TERMINAL = {"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1", "TERM": "xterm", "COLUMNS": "120"}
TABLE = """\
about: a test
llms:
  a: {quality: {default: 0.5}}
  b: {quality: {default: 0.6}}
"""
ENDPOINTS = """\
llms:
  a: {endpoints: [{address: "http://127.0.0.1:9/v1", model: a}]}
"""
RESULTS = str(DATA / "promptfoo" / "results-0.121.20.json")
IMPORT = ("import", "promptfoo", RESULTS, "--store", "store.db")

COMMANDS = [
    ([IMPORT], "reading the results"),
    ([IMPORT, ("grade", "--store", "store.db", "--command", "true")], "grading by command"),
    ([("prior", "table.yaml", "--out", "bundle")], "making the bundle"),
    ([("collect", "prompts.jsonl", "--endpoints", "endpoints.yaml", "--dry-run")], "reading the prompts"),
    ([("data", "check", "rows.jsonl")], "reading the data"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "table.yaml").write_text(TABLE)
    (tmp_path / "endpoints.yaml").write_text(ENDPOINTS)
    (tmp_path / "prompts.jsonl").write_text('{"question": "What is 7 times 6?"}\n')
    (tmp_path / "rows.jsonl").write_text('{"question": "What is 7 times 6?", "scores": {"a": 1, "b": 0}}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("commands", "shown"), COMMANDS, ids=[shown for _, shown in COMMANDS])
@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_work_is_named_on_a_terminal_alone(commands: list[tuple[str, ...]], shown: str, terminal: bool) -> None:
    environment = TERMINAL if terminal else {"TTY_COMPATIBLE": "0"}
    results = [CliRunner(env=environment).invoke(main, command) for command in commands]
    assert [result.exit_code for result in results] == [0] * len(commands), results[-1].output
    assert (shown in results[-1].stderr) is terminal
    assert shown not in results[-1].stdout
