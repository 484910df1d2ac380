"""Runs the benchmarks of a part and writes what they found.

    python -m loadtest.bench [gateway] [--rounds 9] [--only NAME]

A benchmark is a function from `Parts` and a number of rounds to comparisons. A new one is added to `BENCHMARKS`.
"""

import datetime
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import grpc
from rich.console import Console

from loadtest import gateway_benchmarks, machine
from loadtest.bench_report import Run
from loadtest.calls import WrongAnswerError
from loadtest.comparison import Comparison
from loadtest.parts import PartError, Parts

Benchmark = Callable[[Parts, int], list[Comparison]]

BENCHMARKS: dict[str, tuple[Benchmark, ...]] = {
    "gateway": (
        gateway_benchmarks.over_echo_cached,
        gateway_benchmarks.over_echo_scored,
        gateway_benchmarks.over_triton,
        gateway_benchmarks.cache_hit,
        gateway_benchmarks.cache_without_hits,
        gateway_benchmarks.two_workers,
    )
}
_SOURCE = (
    "Command: `make bench`. Ours and the reference take turns in the same run; ratio and added are medians over the "
    "pairs, with the range of four fifths of them. Every round is in `{json}`. Load generator and all parts share the "
    "machine."
)


def run(benchmarks: tuple[Benchmark, ...], repository: Path, rounds: int, console: Console) -> Run:
    """One after the other, each with parts of its own.

    Raises:
        PartError: a part did not start.
        WrongAnswerError: an answer was not a decision.
        grpc.RpcError: a call failed.
    """
    facts, comparisons = machine.describe(), list[Comparison]()
    with tempfile.TemporaryDirectory() as folder:
        parts = Parts(Path(folder), repository)
        for benchmark in benchmarks:
            with console.status(benchmark.__name__):
                comparisons += benchmark(parts, rounds)
            console.print(f"{benchmark.__name__}: done")
    facts["load_average_after"] = [round(value, 2) for value in os.getloadavg()]
    return Run(facts, comparisons)


def write(part: str, result: Run, folder: Path, day: datetime.date) -> None:
    """PART-DAY.json for machines, PART.md for people (the newest run)."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{part}-{day.isoformat()}.json"
    (folder / name).write_text(json.dumps(result.as_json(), indent=1, ensure_ascii=False) + "\n")
    title = f"Benchmarks of the {part}, {day.isoformat()}"
    (folder / f"{part}.md").write_text(result.as_markdown(title, _SOURCE.format(json=name)))


def _chosen(part: str, names: tuple[str, ...]) -> tuple[Benchmark, ...]:
    known = {benchmark.__name__: benchmark for benchmark in BENCHMARKS[part]}
    if unknown := set(names) - set(known):
        raise click.BadParameter(f"{', '.join(unknown)}: choose from {', '.join(known)}", param_hint="--only")
    return tuple(known[name] for name in names) if names else BENCHMARKS[part]


@click.command()
@click.argument("part", type=click.Choice(sorted(BENCHMARKS)), default="gateway")
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
@click.option("--only", "names", multiple=True, help="Just these benchmarks; nothing is written.")
@click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/model_repository"),
    show_default=True,
    help="As `routerdc export` writes it.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("docs/benchmarks"))
def main(part: str, rounds: int, names: tuple[str, ...], repository: Path, out: Path) -> None:
    """Measure PART against what it is compared with, print the table, and write it to docs/benchmarks."""
    console = Console()
    try:
        result = run(_chosen(part, names), repository, rounds, console)
    except (PartError, WrongAnswerError, grpc.RpcError) as error:
        raise click.ClickException(str(error)) from None
    console.print(result.as_table())
    if not names:
        write(part, result, out, datetime.datetime.now(tz=datetime.UTC).date())


if __name__ == "__main__":
    main()
