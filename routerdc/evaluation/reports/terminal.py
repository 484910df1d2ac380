"""A report in the terminal: the verdict, the main table, and where the rest stands."""

from collections.abc import Sequence
from pathlib import Path

from cli.answer import Answer
from cli.table import Column
from cli.table import Table as Printed
from routerdc.evaluation.measures.report import Report
from routerdc.evaluation.reports.tables import Table, overview, summary


def show(answer: Answer, report: Report, written: Sequence[Path]) -> None:
    """The verdict first, then the main table, what a reader must not miss, and the report's files.

    A program gets the whole report.
    """
    sentences = report.verdict.sentences if report.verdict else []
    for sentence in sentences:
        answer.explain(sentence)
    answer.show("overview", printed(overview(report)))
    for line in summary(report)[len(sentences) :]:
        answer.explain(line)
    for path in written:
        answer.say(f"wrote {path}")
    answer.add(report=report.model_dump(mode="json"), written=written)


def printed(table: Table) -> Printed:
    """A report's table as the terminal shows it: text on the left, numbers on the right."""
    first, *others = table.header
    columns = [Column(first), *(Column(name, "s") for name in others)]
    return Printed(columns, table.rows, table.title, table.note, table.strong)
