"""`routerdc grade`: grade the answers of a store, hold the grades against people's, and write the table."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.progress import working
from labelling.commands.collect import DEFAULT_STORE
from labelling.errors import GradingError, LabellingError
from routerdc_contract.output_path import OutputPath

if TYPE_CHECKING:
    from labelling.grade.grader import Grader
    from labelling.grade.run import Report
    from labelling.store.store import Store

KINDS = ["exact", "normalised", "numeric", "choice", "json", "regex"]  # of labelling.grade.reference, which is lazy


@click.command()
@click.option(
    "--store", "store_path", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=DEFAULT_STORE,
    show_default=True, help="What `routerdc collect` has kept.",
)  # fmt: skip
@click.option("--out", type=OutputPath(dir_okay=False), help="The table to write (.jsonl), for `train`.")
@click.option("--reference", type=click.Choice(KINDS), help="Compare with the prompt's reference answer.")
@click.option(
    "--tolerance", type=click.FloatRange(min=0), default=1e-6, show_default=True, help="Relative, of numbers."
)
@click.option("--command", help="A command of your own: JSON on stdin; a number or its exit status is the grade.")
@click.option("--function", help="FILE.py:FUNCTION, called with question, reference, answer … as it names them.")
@click.option("--code", is_flag=True, help="Run the answer's Python with the reference, unit tests, in a sandbox.")
@click.option(
    "--judge", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="judge.yaml: an LLM and a rubric."
)
@click.option("--pairwise", is_flag=True, help="The judge compares two answers at a time.")
@click.option(
    "--max-usd", type=click.FloatRange(min=0), help="Dollars that this store may ever cost, verdicts included."
)
@click.option("--concurrency", type=click.IntRange(min=1), default=8, show_default=True)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds a run of a command, function or code may take.",
)
@click.option(
    "--memory-mib", type=click.IntRange(min=64), default=1024, show_default=True, help="Memory of such a run."
)
@click.option(
    "--gold", type=click.Path(path_type=Path, dir_okay=False), help="Answers graded by people (see --gold-sample)."
)
@click.option("--gold-sample", type=click.IntRange(min=1), help="Write so many answers to --gold, for people to grade.")
@click.option("--accept-low-agreement", is_flag=True, help="Go on although the grader agrees too little with people.")
def grade(store_path: Path, out: Path | None, **options: Any) -> None:
    """Grade answers, and write the table that `routerdc train` reads.

    Choose one of --reference, --command, --function, --code and --judge; without any, the table is written from the
    grades that are there. Answers that have a grade of the same grader are not graded again.
    """
    from labelling.store.store import Store

    try:
        with Store(store_path) as store:
            if options["gold_sample"]:
                _sample(store, options)
                return
            chosen = [name for name in ("reference", "command", "function", "code", "judge") if options[name]]
            if len(chosen) > 1:
                raise GradingError(f"choose one of --{', --'.join(chosen)}")
            trusted = asyncio.run(_graded(store, options)) if chosen else True
            if out is not None and (trusted or options["accept_low_agreement"]):
                _write(out, store)
    except LabellingError as error:
        raise click.ClickException(str(error)) from None
    if not (trusted or options["accept_low_agreement"]):
        raise click.ClickException(
            "the grader agrees too little with people: mend the rubric, or --accept-low-agreement"
        )


def _sample(store: "Store", options: dict[str, Any]) -> None:
    from labelling.grade.judge.gold import write_sample

    if options["gold"] is None:
        raise GradingError("--gold-sample: name the file to write with --gold")
    count = write_sample(options["gold"], store, options["gold_sample"])
    click.echo(f"{count} answers are in {options['gold']}: write 0 to 1 into the column score, then grade with --gold")


async def _graded(store: "Store", options: dict[str, Any]) -> bool:
    """Grades everything; whether the grades can be trusted as far as anybody knows."""
    from labelling.grade.judge.gold import read_gold
    from labelling.grade.run import grade_all

    gold = read_gold(options["gold"]) if options["gold"] else None
    judge = _judge(store, options) if options["judge"] else None
    try:
        grader = await _grader(options, judge)
        with working(f"grading by {grader.name}"):
            report = await grade_all(store, grader, options["concurrency"])
        _print_report(report, grader.name)
    finally:
        if judge is not None:
            await judge.close()
    return gold is None or _compared(store, grader.name, gold, judge.model if judge else None)


def _judge(store: "Store", options: dict[str, Any]) -> Any:
    from labelling.asking.asker import Manner
    from labelling.grade.judge.judging import Judge, read_judge

    judge = Judge(read_judge(options["judge"]), store, options["max_usd"], Manner(options["concurrency"]))
    if judge.model in store.models():
        click.echo(f"warning: the judge {judge.model} is in the pool: LLMs favour their own answers", err=True)
    return judge


async def _grader(options: dict[str, Any], judge: Any) -> "Grader":
    from labelling.grade import reference
    from labelling.grade.judge import pairwise, pointwise
    from labelling.grade.programs import code, command, process

    limits = process.Limits(options["time_limit"], options["memory_mib"])
    if judge is not None:
        return pairwise.PairwiseJudge(judge) if options["pairwise"] else pointwise.PointwiseJudge(judge)
    if options["command"]:
        return command.of_command(options["command"], limits)
    if options["function"]:
        return command.of_function(options["function"], limits)
    if options["code"]:
        return await code.code_grader(limits)
    return reference.ReferenceGrader(options["reference"], options["tolerance"])


def _compared(store: "Store", grader: str, gold: dict[str, float], model: str | None) -> bool:
    from labelling.grade.judge.gold import ENOUGH_KAPPA, agreement

    found = agreement(store, grader, gold, model)
    store.add_agreement(grader, found.summary())
    click.echo(f"Cohen's kappa with people: {found.kappa}; {ENOUGH_KAPPA} is enough")
    click.echo(f"length bias (rank correlation): {found.length_bias}")
    if found.self_preference is not None:
        click.echo(f"self-preference (score points): {found.self_preference}")
    return found.enough


def _print_report(report: "Report", grader: str) -> None:
    click.echo(f"{report.graded:,} answers graded by {grader}")
    for reason, count in report.missing.most_common():
        click.echo(f"  no grade: {count:,}, {reason}")


def _write(out: Path, store: "Store") -> None:
    from labelling.table.write import write_table

    written = write_table(out, store)
    click.echo(f"{written.rows:,} rows with {written.scores:,} scores in {out}")
    if written.left_out:
        click.echo(f"  left out: {written.left_out:,} prompts without any score")
    for reason, count in written.missing.most_common():
        click.echo(f"  missing: {count:,}, {reason}")
