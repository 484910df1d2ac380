"""`routerdc data check` and `fetch`: what a data file holds and what is wrong with it; public data sets."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.answer import Answer, answers
from cli.progress import working
from cli.table import Column, Table
from routerdc.data.options import Reading, reading
from routerdc_contract.output_path import OutputPath

if TYPE_CHECKING:
    from routerdc.data.dataset import Dataset
    from routerdc.data.summary import DataSummary


@click.group()
def data() -> None:
    """Look at data sets of scored queries, or fetch public ones."""


@data.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="FILE...")
@reading
@answers
def check(paths: tuple[Path, ...], reading: Reading, answer: Answer) -> None:
    """Read files (or all data files of folders) and print a summary of each, and the duplicates between them."""
    from routerdc.data.coverage import coverage
    from routerdc.data.coverage_report import show
    from routerdc.data.formats.files import all_files
    from routerdc.data.formats.rows import DataError
    from routerdc.data.loading import described
    from routerdc.data.summary import summarise

    try:
        with working("reading the data"):
            datasets = reading.load_all(paths)
    except DataError as error:
        raise click.ClickException(str(error)) from None
    for file, dataset in zip(all_files(paths), datasets, strict=True):
        summary = summarise(dataset)
        with answer.part("files") as part:
            part.add(file=file, **vars(summary))
            part.show("llms", _table(summary), summary.llms)
            for sentence in _caption(summary):
                part.explain(sentence)
            for line in described(dataset.skipped):
                part.say(f"skipped {line}")
            if (found := coverage(file)).known:
                show(part, found, dataset.llms, dataset.grading)
    answer.add(shared=(shared := _shared(datasets)))
    for line in shared:
        answer.say(line)


@data.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--out",
    type=OutputPath(file_okay=False),
    default=Path("data"),
    show_default=True,
    help="Gets a folder for each data set.",
)
@click.option("--mirror", default=None, help="URL or folder with the layout of raw.githubusercontent.com.")
@answers
def fetch(names: tuple[str, ...], out: Path, mirror: str | None, answer: Answer) -> None:
    """Fetch the public data sets that the documentation uses (all, or those named), and check their SHA-256."""
    from routerdc.data.fetch import DEFAULT_MIRROR, FetchError, sources
    from routerdc.data.fetch import fetch as fetch_files

    known = sources()
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"{', '.join(unknown)}: no such data set; there are {', '.join(known)}")
    try:
        for name in names or known:
            answer.say(f"{name}: {known[name].about} (licence: {known[name].licence})")
            with working(f"fetching {name}"):
                files = list(fetch_files(name, known[name], out, mirror or DEFAULT_MIRROR))
            for path, fetched in files:
                answer.say(f"  {path} {'fetched' if fetched else 'is there already'}")
                with answer.part("files") as part:
                    part.add(name=name, path=path, fetched=fetched)
    except FetchError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or out}: {error.strerror}") from None


def _table(summary: "DataSummary") -> Table:
    priced = any(llm.cost is not None for llm in summary.llms)
    columns = [Column("LLM"), Column("mean quality", ".2%"), Column("missing", ".2%")]
    columns += [Column("dollars per 1,000 queries", ".3f")] if priced else []
    rows = []
    for llm in summary.llms:
        quality = "no grade" if math.isnan(llm.quality) else llm.quality
        cost = [None if llm.cost is None else 1000 * llm.cost] if priced else []
        rows.append((llm.name, quality, llm.missing, *cost))
    best = [index for index, llm in enumerate(summary.llms) if llm.name == summary.best_single]
    return Table(columns, rows, _headline(summary), strong=best)


def _headline(summary: "DataSummary") -> str:
    skipped = f", {summary.skipped} bad rows skipped" if summary.skipped else ""
    return f"{summary.name}: {summary.rows} rows{skipped}, {len(summary.llms)} LLMs, metric {summary.metric}"


def _caption(summary: "DataSummary") -> tuple[str, str]:
    clusters = f"; {summary.clusters} clusters" if summary.clusters else ""
    return (
        f"best single {summary.best_quality:.2%}, oracle {summary.oracle:.2%}, both on {summary.judged} rows; "
        f"all LLMs equal on {summary.undecidable:.1%} of the rows; {summary.missing:.2%} of the scores missing",
        f"characters: mean {summary.length_mean:.0f}, median {summary.length_median:.0f}, 99 % below "
        f"{summary.length_p99:.0f}, longest {summary.length_max}; {summary.duplicates} repeated queries{clusters}",
    )


def _shared(datasets: "list[Dataset]") -> list[str]:
    """Duplicates between the data sets, each pair once."""
    from itertools import combinations

    from routerdc.data.duplicates import contained

    found = []
    for (here, first), (there, second) in combinations(enumerate(datasets, start=1), 2):
        if count := contained(second.queries, first.queries):
            found.append(f"{count} queries of {second.name} (file {there}) are also in {first.name} (file {here})")
    return found
