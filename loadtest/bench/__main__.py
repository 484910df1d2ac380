"""Runs the benchmarks and writes what they found.

    python -m loadtest.bench [PART …] [--rounds 7] [--only NAME] [--quick]

A benchmark is a function from a `Setting` to comparisons. A new one is added to `BENCHMARKS`.
"""

import datetime
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import grpc
from rich.console import Console

from loadtest import machine
from loadtest.bench import doors, efficiency, engine, gateway, history, host
from loadtest.bench.comparison import Comparison
from loadtest.bench.quality import QualityError
from loadtest.bench.report import Run
from loadtest.bench.setting import Benchmark, Effort, Setting, Subject
from loadtest.closed_loop.closed_loop import WrongAnswerError
from loadtest.requests.queries import QueriesError
from loadtest.requests.query_stream import Supply
from loadtest.servers.servers import PartError, Parts
from loadtest.servers.worker import WorkerError
from routerdc_contract.output_path import OutputPath

BENCHMARKS: dict[str, tuple[Benchmark, ...]] = {
    "engine": (
        engine.quality,
        engine.over_padded,
        engine.over_dynamic_padding,
        engine.triton_over_in_process,
        engine.thousand_llms,
        engine.padding,
    ),
    "gateway": (
        gateway.over_echo_cached,
        gateway.over_echo_instant,
        gateway.over_triton,
        gateway.cache_hit,
        gateway.cache_without_hits,
        gateway.two_workers,
    ),
    "doors": (
        doors.decisions_over_grpc,
        doors.conversations_over_queries,
    ),
    "efficiency": (
        efficiency.cpu_share,
        efficiency.poisson_over_closed_loop,
        host.host_over_tokenizers,
        host.host_parts,
        host.batch_over_single,
        host.over_empty_server,
    ),
}
HISTORY = "history.jsonl"
_QUICK = Effort(rounds=1, scale=0.1)
_SOURCE = (
    "Command: `make bench`. Ours and the reference take turns in the same run; ratio and added are medians over the "
    "pairs, with the range of four fifths of them. Every round is in `bench.json`, earlier runs are in "
    "`history.jsonl`: “last run” is the last one's ratio (or difference, where the goal bounds that) and the change "
    "since, called better or worse where the ranges do not touch. Load generator and all parts share the machine."
)
_ERRORS = (PartError, WorkerError, WrongAnswerError, QualityError, QueriesError, FileNotFoundError, grpc.RpcError)


def run(
    benchmarks: Sequence[Benchmark], setting: Setting, console: Console
) -> tuple[dict[str, object], list[Comparison]]:
    """One after the other, each with parts of its own: the machine, and what they found.

    Raises:
        PartError, WorkerError: a part did not start, or ended.
        WrongAnswerError: an answer was not a decision.
        grpc.RpcError: a call failed.
    """
    facts, comparisons = machine.describe(), list[Comparison]()
    for benchmark in benchmarks:
        with console.status(benchmark.__name__):
            found = benchmark(setting)
        comparisons += found
        console.print(Run(facts, found).as_table())
    facts["load_average_after"] = [round(value, 2) for value in os.getloadavg()]
    return facts, comparisons


def write(result: Run, folder: Path, now: datetime.datetime) -> None:
    """bench.json with every round, bench.md for people, and a line in history.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(result.as_json(), indent=1, ensure_ascii=False) + "\n")
    (folder / "bench.md").write_text(result.as_markdown(f"Benchmarks, {now.date().isoformat()}", _SOURCE))
    with (folder / HISTORY).open("a", encoding="utf-8") as file:
        file.write(history.line(now.isoformat(timespec="seconds"), result.machine, result.comparisons) + "\n")


def _chosen(parts: Sequence[str], names: Sequence[str]) -> list[Benchmark]:
    known = {one.__name__: one for part in parts or BENCHMARKS for one in BENCHMARKS[part]}
    if unknown := set(names) - set(known):
        raise click.BadParameter(f"{', '.join(unknown)}: choose from {', '.join(known)}", param_hint="--only")
    return [known[name] for name in names or known]


_folder = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True)
@click.option("--only", "names", multiple=True, help="Just these benchmarks; nothing is written.")
@click.option("--quick", is_flag=True, help="Shows that everything works, in one short round; nothing is written.")
@click.option("--data", type=_folder, default=Path("data/routerdc"), show_default=True, help="Test sets.")
@click.option("--bundle", type=_folder, default=Path("bundles/default"), show_default=True, help="The shipped one.")
@click.option("--repository", type=_folder, default=Path("build/model_repository"), show_default=True, help="Of it.")
@click.option(
    "--full-depth-bundle", type=_folder, default=Path("bundles/full-depth"), show_default=True, help="The yardstick."
)
@click.option(
    "--full-depth-repository",
    type=_folder,
    default=Path("build/full-depth/model_repository"),
    show_default=True,
    help="Of it.",
)
@click.option("--out", type=OutputPath(file_okay=False), default=Path("docs/benchmarks"), show_default=True)
def main(
    parts: tuple[str, ...],
    rounds: int,
    names: tuple[str, ...],
    quick: bool,
    data: Path,
    bundle: Path,
    repository: Path,
    full_depth_bundle: Path,
    full_depth_repository: Path,
    out: Path,
) -> None:
    """Measure PARTS (all of them) against what they are compared with, print the table, and write it.

    A run of some PARTS, or of --only some benchmarks, is shown and not written.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # parts are stopped then, too
    console, chosen = Console(), _chosen(parts, names)
    try:
        with tempfile.TemporaryDirectory() as folder:
            setting = Setting(
                Parts(Path(folder)),
                Subject("shipped", bundle, repository),
                Subject("full depth", full_depth_bundle, full_depth_repository),
                Supply.of(data),
                data,
                _QUICK if quick else Effort(rounds),
            )
            facts, comparisons = run(chosen, setting, console)
    except _ERRORS as error:
        raise click.ClickException(str(error)) from None
    result = Run(facts, comparisons, history.changes(out / HISTORY, facts, comparisons))
    console.print(result.as_table())
    console.print(result.summary)
    if not (quick or names or parts):
        write(result, out, datetime.datetime.now(tz=datetime.UTC))


if __name__ == "__main__":
    main()
