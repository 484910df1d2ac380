"""The options of every command that reads tables of graded answers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from routerdc.data.dataset import Dataset


@dataclass(frozen=True)
class Reading:
    """How tables are read."""

    skip_bad_rows: bool = False
    question_column: str = "question"
    score_columns: tuple[str, ...] = ()
    llms: tuple[str, ...] = ()

    def load_all(self, sources: Iterable[str | Path]) -> "list[Dataset]":
        """The data sets of all files and folders, with only the LLMs that were asked for.

        Raises:
            DataError: as `routerdc.data.loading.load_all`; or no data set has one of the LLMs.
        """
        from routerdc.data.dataset import only
        from routerdc.data.formats.columns import Columns
        from routerdc.data.loading import load_all

        columns = Columns(self.question_column, self.score_columns)
        datasets = load_all(sources, skip_bad_rows=self.skip_bad_rows, columns=columns)
        return only(datasets, self.llms) if self.llms else datasets


def _names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = [name.strip() for name in (value or "").split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


_OPTIONS = (
    click.option("--skip-bad-rows", is_flag=True, help="Leave bad rows out and name them, instead of stopping."),
    click.option("--question-column", default="question", show_default=True, help="The column with the prompt."),
    click.option(
        "--score-columns", callback=_names, metavar="A,B,…", help="Bare columns with grades, one for each LLM."
    ),
    click.option("--llms", callback=_names, metavar="A,B,…", help="Only these LLMs of the table."),
)


def reading(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options; the command gets them as one argument `reading`."""

    @wraps(command)
    def with_reading(
        *args: Any,
        skip_bad_rows: bool,
        question_column: str,
        score_columns: tuple[str, ...],
        llms: tuple[str, ...],
        **others: Any,
    ) -> None:
        command(*args, reading=Reading(skip_bad_rows, question_column, score_columns, llms), **others)

    for option in reversed(_OPTIONS):
        with_reading = option(with_reading)
    return with_reading
