"""A report in the terminal."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from routerdc.evaluation.reports.report import Report
from routerdc.evaluation.reports.tables import Table, summary, tables


def show(report: Report, console: Console | None = None) -> None:
    """Prints all tables and what a reader must not miss."""
    console = console or Console()
    for table in tables(report):
        console.print(rich_table(table))
    for line in summary(report):
        console.print(escape(line), style="bold red" if line.startswith("COLLAPSED") else "dim")


def rich_table(table: Table) -> RichTable:
    """A table as the terminal shows it: text on the left, numbers on the right."""
    rich = RichTable(title=escape(table.title), caption=escape(table.note) or None, title_justify="left")
    for index, name in enumerate(table.header):
        rich.add_column(escape(name), justify="left" if index == 0 else "right", overflow="fold")
    for index, row in enumerate(table.rows):
        rich.add_row(*map(escape, row), style="bold" if index in table.strong else None)
    return rich
