"""Every command of ours that the pages name exists, with the options that they name."""

import importlib.util
import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

from tests.unit.docs.pages import ROOT, code, pages

COMMANDS = {entry.name: entry for entry in entry_points(group="routerdc.commands")}
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PAGES = [page for page in pages() if page.name != "CHANGELOG.md" and not {"log", "explanation"} & set(page.parts)]

_ROUTERDC = re.compile(r"(?:^|[;&|(]\s*|bin/|[A-Z_]+=\S+ )routerdc ([a-z][a-z-]*)(.*)")
_MAKE = re.compile(r"(?:^|[;&|(] ?)make ([a-z][a-z-]*)")
_MODULE = re.compile(r"python3? -m ([a-z_]+(?:\.[a-z_]+)*)")
_OVERLAY = re.compile(r"-k (deploy/\S+)")


def options(command: str, arguments: str) -> set[str]:
    """The flags in `arguments` that the command (or its subcommand) does not have."""
    loaded = COMMANDS[command].load()
    try:
        words = shlex.split(arguments.split("|")[0], comments=True)
    except ValueError:  # an example that is cut short
        words = arguments.split()
    if isinstance(loaded, click.Group) and words and words[0] in loaded.commands:
        loaded = loaded.commands[words[0]]
    known = {name for param in loaded.params for name in (*param.opts, *param.secondary_opts)} | {"--help"}
    return {word.partition("=")[0] for word in words if word.startswith("--") and len(word) > 2} - known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_their_options_exist(page: Path) -> None:
    wrong = []
    for line in code(page.read_text(encoding="utf-8")):
        for name, arguments in _ROUTERDC.findall(line):
            if name not in COMMANDS:
                wrong.append(line)
            elif unknown := options(name, arguments):
                wrong.append(f"{line}: {unknown}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_modules_and_overlays_exist(page: Path) -> None:
    lines = code(page.read_text(encoding="utf-8"))
    targets = {name for line in lines for name in _MAKE.findall(line)}
    modules = {name for line in lines for name in _MODULE.findall(line)} - {"pip", "venv"}
    overlays = {path for line in lines for path in _OVERLAY.findall(line)}
    assert targets - TARGETS == set()
    assert {name for name in modules if importlib.util.find_spec(name) is None} == set()
    assert {path for path in overlays if not (ROOT / path).is_dir()} == set()


def test_the_makefile_explains_every_target_that_people_call() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split()) - {"help"}  # type: ignore[index]
    explained = set(re.findall(r"^([a-z][a-z-]*):.*## ", text, re.MULTILINE))
    assert phony - explained == set()
