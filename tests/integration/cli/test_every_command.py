"""What holds for every command of the table: help within 80 columns, exit statuses, completion."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from cli.command import main
from routerdc_contract.output_path import OutputPath
from tests.integration.cli.test_tables import all_commands

PAGE = Path(__file__).parents[3] / "docs/reference/command-line.md"


def _commands() -> dict[str, click.Command]:
    assert isinstance(main, click.Group)
    return all_commands(main)


COMMANDS = _commands()


def call(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, arguments, prog_name="routerdc")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_a_sentence_and_fits_80_columns(command: str) -> None:
    result = call(*command.split(), "--help")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert re.search(r"^  [A-Z].*\w", result.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_call_has_exit_status_2_and_says_so_on_standard_error_alone(command: str) -> None:
    result = call(*command.split(), "--no-such-option")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--no-such-option" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_shell_completes_every_option(command: str) -> None:
    completion = ShellComplete(main, {}, "routerdc", "_ROUTERDC_COMPLETE")
    offered = {item.value for item in completion.get_completions(command.split(), "--")}
    assert offered >= set(_long_options(COMMANDS[command])) | {"--help"}


def _long_options(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from (name for name in parameter.opts if name.startswith("--"))


@pytest.mark.parametrize("command", COMMANDS)
def test_where_the_result_goes_is_checked_before_the_work(command: str) -> None:
    types = [parameter.type for parameter in COMMANDS[command].params if "--out" in parameter.opts]
    assert all(isinstance(one, OutputPath) for one in types)


def test_the_page_names_every_exit_status_and_every_command_with_json() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d) \|", page, re.MULTILINE) == ["0", "1", "2"]
    named = re.search(r"takes `--json`.*?: (.*?)\. Numbers", page, re.DOTALL)
    assert named is not None
    with_json = {name for name, one in COMMANDS.items() if any(p.name == "as_json" for p in one.params)}
    assert set(re.findall(r"`([a-z -]+)`", named[1])) == with_json
