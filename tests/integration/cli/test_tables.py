"""Which commands print tables: all of these can answer a program, too, by the one mechanism."""

from pathlib import Path
from typing import Any

import click
import pytest

from cli.command import main

NO_TABLE = {
    *("serve", "gateway", "triton", "console", "stand-ins"),  # they run until they are stopped
    "envoy-config",  # its output is a configuration, JSON if asked
    *("collect", "grade", "import", "prior", "refresh"),  # they say a few lines; their result is a file
}
"""Commands without a table, so without --json."""


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
