"""`routerdc evaluate-decisions`: what the gateway did with live traffic, and what its choices were worth."""

from pathlib import Path

import click

from cli.answer import Answer, answers
from cli.progress import working
from routerdc.data.options import Reading, reading
from routerdc_contract.output_path import OutputPath

SHOWN_BAD_LINES = 20


@click.command("evaluate-decisions")
@click.argument(
    "logs", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="LOG..."
)
@click.option(
    "--test", "test_paths", type=click.Path(path_type=Path, exists=True), multiple=True,
    help="Scored queries, file or folder (repeatable), to judge decisions by; without: traffic only.",
)  # fmt: skip
@reading
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option("--out", type=OutputPath(dir_okay=False), help="JSON file for every number.")
@answers
def evaluate_decisions(
    logs: tuple[Path, ...],
    test_paths: tuple[Path, ...],
    reading: Reading,
    seed: int,
    out: Path | None,
    answer: Answer,
) -> None:
    """Read the gateway's decision LOGs: shares, reasons, latency; with --test also quality.

    Bad lines are named and counted, and do not stop the evaluation: a log may end in half a line.
    """
    from routerdc.data.formats.rows import DataError
    from routerdc.evaluation.decisions.log import read_log
    from routerdc.evaluation.decisions.quality import judgement
    from routerdc.evaluation.decisions.report import DecisionsReport
    from routerdc.evaluation.decisions.tables import decision_tables
    from routerdc.evaluation.decisions.traffic import traffic
    from routerdc.evaluation.reports.terminal import printed

    with working("reading the logs"):
        try:
            data = reading.load_all(test_paths)
            log = read_log(logs)
        except DataError as error:
            raise click.ClickException(str(error)) from None
        report = DecisionsReport(
            traffic=traffic(log.decisions),
            judgement=judgement(log.decisions, data, seed) if data else None,
            bad_line_count=len(log.bad),
            bad_lines=tuple(map(str, log.bad[:SHOWN_BAD_LINES])),
        )
    answer.add(**report.model_dump(mode="json"))
    for table in decision_tables(report):
        answer.show(table.title, printed(table))
    for line in report.bad_lines:
        answer.say(f"skipped {line}")
    if report.bad_line_count:
        answer.say(f"bad lines skipped: {report.bad_line_count}")
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
        answer.say(f"wrote {out}")
