"""Every command that answers, called as people and as programs call it: 80 columns, NO_COLOR, progress, `--json`."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from cli.command import main
from deploy.local.command import SHIPPED_BUNDLE
from deploy.local.demo.sample_queries import SAMPLE_QUERIES
from routerdc.data import fetch as fetching
from routerdc.training.fit import fit
from tests.e2e.conftest import ANY_PORTS, Stack
from tests.integration.cli.test_tables import NO_TABLE, all_commands
from tests.support.data.tiny import tiny_datasets, tiny_encoder, tiny_recipe, write_datasets

TERMINAL = {"COLUMNS": "80", "NO_COLOR": "1", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1", "TERM": "xterm"}
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")
STYLE = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")
SET = {"path": "one.json", "source": "owner/one.json", "sha256": hashlib.sha256(b"[]").hexdigest()}
AT_ONCE = {"route"}
"""Commands that never take two seconds, so that they need not say what goes on."""
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


@dataclass(frozen=True)
class Place:
    """The current folder of every command, with the files that they are called with, and the service."""

    folder: Path
    stack: Stack

    @property
    def endpoint(self) -> str:
        """Base URL of one of the demo's LLM servers."""
        llms = yaml.safe_load(self.stack.endpoints_file.read_text(encoding="utf-8"))["llms"]
        return str(next(iter(llms.values()))["endpoints"][0]["address"])


@pytest.fixture(scope="module")
def place(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("a folder with spaces and a long name, as people have them")
    recipe = tiny_recipe(tiny_encoder(folder / "encoder"), optimizer={"steps": 5}, data={"labels": "shrunk"})
    (folder / "mine.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")), encoding="utf-8")
    datasets = tiny_datasets(30)
    write_datasets(folder / "data", datasets)
    two = [dataset.aligned(["adder", "idler"]) for dataset in datasets]
    fit(two, recipe, seed=0, cache=None).write(folder / "bundle", "two")
    shutil.copytree(stack.repository, folder / "exported", copy_function=os.link)
    (folder / "decisions.jsonl").write_text(f"{json.dumps(DECISION)}\n", encoding="utf-8")
    (folder / "mirror/owner").mkdir(parents=True)
    (folder / "mirror/owner/one.json").write_text("[]", encoding="utf-8")
    return Place(folder, stack)


@pytest.fixture
def here(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.folder)
    public = {"set": fetching.SourceSet.model_validate({"about": "rows", "licence": "MIT", "files": [SET]})}
    monkeypatch.setattr(fetching, "sources", lambda: public)


TRAINING = ("data", "--recipe", "mine.yaml")
JUDGED = ("--no-robustness", "--out", "judged")
SMALL_GRID = ("--layers", 1, "--max-tokens", 8, "--side", "right", "--folds", 2)
CALLS: dict[str, Callable[[Place], tuple[object, ...]]] = {
    "check": lambda p: (p.stack.endpoints_file,),
    "cross-validate": lambda p: (*TRAINING, "--folds", 2, "--out", "validation"),
    "data check": lambda p: ("data",),
    "data fetch": lambda p: ("--mirror", "mirror", "--out", "fetched"),
    "demo": lambda p: ("--check", "--folder", "demo", *ANY_PORTS),
    "evaluate": lambda p: ("--bundle", "bundle", "--train", "data", "--test", "data", *JUDGED),
    "evaluate-decisions": lambda p: ("decisions.jsonl",),
    "export": lambda p: ("--bundle", SHIPPED_BUNDLE, "--out", "export"),
    "init": lambda p: ("--endpoint", p.endpoint, "--force"),
    "pool add": lambda p: ("coder", "--scores", "data/code.json", "--bundle", "bundle", "--out", "more"),
    "pool measure": lambda p: (*TRAINING, "--queries", 10, "--draws", 1, "--out", "growth"),
    "pool remove": lambda p: ("idler", "--bundle", "bundle", "--out", "less"),
    "publish": lambda p: ("exported", *_live(p)),
    "route": lambda p: ("2 + 2?", "--address", p.stack.service.gateway_address, "--deadline-ms", 20_000),
    "train": lambda p: (*TRAINING, "--out", "trained"),
    "tune-compute": lambda p: (*TRAINING, *SMALL_GRID, "--out", "compute"),
}


def _live(place: Place) -> tuple[object, ...]:
    """Where `publish` puts the same bundle into use once more: into the running service."""
    triton = place.stack.service.triton
    return ("--repository", place.stack.repository, "--triton-address", triton.grpc_address)


def call(command: str, place: Place, *more: str) -> Result:
    """On a terminal of 80 columns, as far as a command can tell."""
    arguments = [*command.split(), *map(str, CALLS[command](place)), *more]
    result = CliRunner(env=TERMINAL).invoke(main, arguments, color=True)
    assert result.exit_code == 0, result.output
    return result


def test_no_command_is_forgotten() -> None:
    assert isinstance(main, click.Group)
    assert CALLS.keys() | NO_TABLE == all_commands(main).keys()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", CALLS)
def test_what_programs_and_people_see(command: str, place: Place) -> None:
    for_programs = call(command, place, "--json")
    answer = json.loads(for_programs.stdout)
    assert answer
    if command == "demo":
        samples = [" ".join(query.split()) for _, query in SAMPLE_QUERIES]
        assert ([sample["query"] for sample in answer["samples"]], answer["problems"]) == (samples, {})
    for_people = call(command, place)
    assert COLOUR.search(for_people.output) is None
    lines = STYLE.sub("", for_people.stdout).splitlines()
    paths = [word for line in lines if len(line) > 80 for word in [max(line.split(), key=len)] if len(word) < 40]
    assert (lines != [], paths) == (True, []), "only what may be copied as it stands makes a line longer"
    assert (for_people.stderr == "") <= (command in AT_ONCE), "nothing on a terminal says what goes on"
