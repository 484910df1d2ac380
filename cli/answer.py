"""What a command answers: lines and tables for people, or with `--json` one object for programs.

The one mechanism behind every `--json`. A command says everything once, to its `Answer`; progress and errors go to
standard error as always, so that standard output holds the answer alone.
"""

import dataclasses
import functools
import json
import math
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

from cli.table import Table

Command = Callable[..., Any]


class Answer:
    """Prints for people at once; for programs at the end, if the command has not failed."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._facts: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._as_json and (error is None or isinstance(error, SystemExit)):
            click.echo(json.dumps(_plain(self._facts), indent=2, ensure_ascii=False))

    def say(self, text: str) -> None:
        """A line for people, as it stands, so that they can copy it; a program learns the same from facts."""
        if not self._as_json:
            click.echo(text)

    def explain(self, text: str) -> None:
        """Sentences for people, in lines that fit the terminal; words, and so paths, stay whole."""
        width = shutil.get_terminal_size().columns
        self.say("\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)))

    def add(self, **facts: Any) -> None:
        """Facts for programs, by name: what JSON takes, and dataclasses, paths and tables."""
        self._facts |= facts

    def show(self, name: str, table: Table, facts: Any = None) -> None:
        """A table for both; `name` is its name in JSON, which has its rows, or the `facts` that they sum up."""
        self.add(**{name: table if facts is None else facts})
        if not self._as_json:
            table.print()

    @contextmanager
    def part(self, name: str) -> Iterator["Answer"]:
        """One more member of the list `name`: an answer of its own, with its own facts."""
        part = Answer(as_json=self._as_json)
        yield part
        self._facts.setdefault(name, []).append(part._facts)


def answers(command: Command) -> Command:
    """Gives a command the option `--json`, and the argument `answer`."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @functools.wraps(command)
    def run(*arguments: Any, as_json: bool, **options: Any) -> Any:
        with Answer(as_json=as_json) as answer:
            return command(*arguments, answer=answer, **options)

    return run


def _plain(value: Any) -> Any:
    """`value` in what JSON knows; what is no number becomes null, for JSON has no NaN."""
    match value:
        case Table():
            return _plain(value.records())
        case Path():
            return str(value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {str(name): _plain(member) for name, member in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(member) for member in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _plain({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
        case _:
            return value
