"""A table that a command prints: for people within the width of their terminal, for programs as rows with names.

One home for how tables look: numbers stand on the right, long words are folded and never cut, colours and width are
the terminal's (NO_COLOR, COLUMNS; 80 columns where nobody says).
"""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    title: str
    format: str = ""
    """of the numbers, as `format()` takes it (`s`: they are texts already); such a column stands on the right"""
    key: str = ""
    """its name in JSON; empty: the title with underscores between the words"""
    most_characters: int | None = None
    """longer texts end in an ellipsis, for people only; never for what somebody may want to copy"""

    @property
    def name(self) -> str:
        """In JSON."""
        return self.key or "_".join(re.findall(r"\w+", self.title.lower())) or "name"

    def text(self, cell: object) -> str:
        """A cell for people; nothing where there is no value."""
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return "–" if self.format else ""
        return str(cell) if isinstance(cell, str) or not self.format else format(cell, self.format)


@dataclass(frozen=True)
class Table:
    """Rows as long as `columns`. A cell is a text, a number, or None where nothing is known."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    title: str = ""
    note: str = ""
    strong: Collection[int] = ()
    """rows to stress"""

    def records(self) -> list[dict[str, Any]]:
        """For programs: each row by the columns' names."""
        names = [column.name for column in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def print(self) -> None:
        """For people: on standard output."""
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table as RichTable

        rich = RichTable(box=None, pad_edge=False)
        for column in self.columns:
            rich.add_column(
                escape(column.title),
                justify="right" if column.format else "left",
                overflow="ellipsis" if column.most_characters else "fold",
                no_wrap=column.most_characters is not None,
                max_width=column.most_characters,
            )
        for index, row in enumerate(self.rows):
            cells = [escape(column.text(cell)) for column, cell in zip(self.columns, row, strict=True)]
            rich.add_row(*cells, style="bold" if index in self.strong else None)
        console = Console(highlight=False)
        for part in (escape(self.title), rich, escape(self.note)):
            if part:
                console.print(part)
