"""Every command with `--json`, run once for people on 80 columns and once for a program."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.command import main
from tests.e2e.conftest import Stack
from tests.integration.cli.test_tables import NO_TABLE, all_commands

QUERIES = ["Add 3 and 4.", "Print the list in Python.", "Who wrote Faust?", "Multiply 12 by 7.", "Sort a dictionary."]
ROWS = 40
DECISION = {
    "time": "2026-11-30T02:00:00.000+00:00",
    "request_id": "r1",
    "query_hash": "0" * 32,
    "llm": "alpha",
    "reason": "routed",
    "candidates": [{"llm": "alpha", "score": 0.5, "adjusted_score": 0.5, "endpoint": "http://llm.example/v1"}],
    "margin": None,
    "token_count": 3,
    "truncated": False,
    "bundle_id": "0" * 16,
    "total_ms": 1.5,
}
ELSEWHERE = {
    "demo",  # test_commands.py
    "publish",  # tests/integration/triton
    *("init", "data fetch"),  # the unit tests
    *(
        "evaluate",
        "cross-validate",
        "train",
        "tune-compute",
        "pool add",
        "pool remove",
        "pool measure",
    ),  # with a tiny encoder
}
"""Tested where what they need is at hand."""


@dataclass(frozen=True)
class Place:
    """Files that commands are called with."""

    folder: Path
    data: Path
    decisions: Path
    endpoints: Path
    gateway: str


@pytest.fixture(scope="module")
def place(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("a folder with spaces and a long name, as people have them")
    rows = [
        {
            "question": f"{QUERIES[n % 5]} ({n})",
            "scores": {"alpha": float(n % 2), "beta": float(n % 3 == 0), "gamma": 0.5, "new/one": float(n % 5 == 0)},
        }
        for n in range(ROWS)
    ]
    data = folder / "graded.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    decisions = folder / "decisions.jsonl"
    decisions.write_text(f"{json.dumps(DECISION)}\n", encoding="utf-8")
    return Place(folder, data, decisions, stack.endpoints_file, stack.service.gateway_address)


CALLS: dict[str, Callable[[Place], list[object]]] = {
    "check": lambda p: [p.endpoints],
    "route": lambda p: ["What is 2 + 2?", "--address", p.gateway, "--deadline-ms", 20_000, "--candidates", 7],
    "data check": lambda p: [p.data],
    "export": lambda p: ["--out", p.folder / "export"],
    "evaluate-decisions": lambda p: [p.decisions],
}


def call(command: str, place: Place, *more: str) -> Result:
    arguments = [*command.split(), *map(str, CALLS[command](place)), *more]
    return CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"}).invoke(main, arguments)


def test_no_command_is_forgotten() -> None:
    assert CALLS.keys() | ELSEWHERE | NO_TABLE == all_commands(main).keys()


@pytest.mark.parametrize("command", CALLS)
def test_json_for_programs_and_80_columns_for_people(command: str, place: Place) -> None:
    for_programs = call(command, place, "--json")
    assert for_programs.exit_code == 0, for_programs.output
    assert json.loads(for_programs.stdout)
    for_people = call(command, place)
    assert for_people.exit_code == 0, for_people.output
    too_long = [line for line in for_people.stdout.splitlines() if len(line) > 80 and "/pytest-" not in line]
    assert too_long == []
    assert "\x1b" not in for_people.stdout
