"""A report in the terminal: the verdict, the main table, and where the rest stands."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from routerdc.evaluation.measures.report import Report
from routerdc.evaluation.reports.tables import Table, overview, summary


def show(report: Report, written: Sequence[Path], console: Console | None = None) -> None:
    """Prints the verdict first, then the main table, what a reader must not miss, and the report's files."""
    console = console or Console()
    sentences = report.verdict.sentences if report.verdict else []
    for place, sentence in enumerate(sentences):
        console.print(escape(sentence), style="bold" if place == 0 else "")
    console.print(rich_table(overview(report)))
    for line in summary(report)[len(sentences) :]:
        console.print(escape(line), style="bold red" if line.startswith("COLLAPSED") else "dim")
    for path in written:
        console.print(escape(f"wrote {path}"), soft_wrap=True)


def rich_table(table: Table) -> RichTable:
    """A table as the terminal shows it: text on the left, numbers on the right."""
    rich = RichTable(title=escape(table.title), caption=escape(table.note) or None, title_justify="left")
    for index, name in enumerate(table.header):
        rich.add_column(escape(name), justify="left" if index == 0 else "right", overflow="fold")
    for index, row in enumerate(table.rows):
        rich.add_row(*map(escape, row), style="bold" if index in table.strong else None)
    return rich
