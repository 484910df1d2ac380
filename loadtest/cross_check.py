"""Do our load generator and NVIDIA's agree? The same closed loop on Triton by locust and by perf_analyzer, alternately.

    python -m loadtest.cross_check

Prints p50 and answers a second of both and the difference, and writes them to docs/benchmarks/cross-check.json and .md.
Status 1 where they differ by more than --tolerance.
"""

import csv
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from loadtest import machine, options
from loadtest.perf_analyzer import PerfAnalyzer, UnavailableError
from loadtest.requests.messages import MODEL_INFER
from loadtest.requests.queries import QueryMix, QuerySettings
from loadtest.servers.servers import PartError, Parts
from loadtest.users.timings import CLIENT

_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_FOLDER = Path(".cache/perf_analyzer")
_QUERIES = 500
_DEADLINE_MS = 30_000


class LocustFailedError(Exception):
    """A round in which calls failed; the message has locust's output."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one generator saw in one round."""

    p50_ms: float
    answers_per_second: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Medians over the rounds: of both, and of locust's over perf_analyzer's in the same round, less 1."""

    figure: str
    locust: float
    perf_analyzer: float
    difference: float

    @classmethod
    def of(cls, figure: str, pairs: Sequence[tuple[float, float]]) -> "Agreement":
        """From pairs (locust, perf_analyzer)."""
        ours, theirs = zip(*pairs, strict=True)
        ratio = statistics.median(our / their for our, their in pairs)
        return cls(figure, statistics.median(ours), statistics.median(theirs), ratio - 1)


def by_locust(triton_address: str, users: int, seconds: float, folder: Path) -> Seen:
    """A round of TritonUsers with queries of which none is repeated.

    Raises:
        LocustFailedError: a call failed.
    """
    flags = {
        "--locustfile": _LOCUSTFILE,
        "--triton-address": triton_address,
        "--users": users,
        "--spawn-rate": users,
        "--run-time": f"{seconds:g}s",
        "--repeat-share": 0,
        "--deadline-ms": _DEADLINE_MS,
        "--csv": folder / "round",
    }
    command = [sys.executable, "-m", "locust", "TritonUser", "--headless", "--only-summary"]
    run = subprocess.run(
        [*command, *(f"{name}={value}" for name, value in flags.items())], capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        raise LocustFailedError(run.stdout[-1000:] + run.stderr[-1000:])
    timings = {(row["request"], row["stage"]): row for row in _rows(folder / "round_timings.csv")}
    per_second = {row["Name"]: float(row["Requests/s"]) for row in _rows(folder / "round_stats.csv")}
    return Seen(float(timings[MODEL_INFER, CLIENT]["p50_ms"]), per_second[MODEL_INFER])


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def in_turns(
    triton_address: str, tool: PerfAnalyzer, users: int, seconds: float, rounds: int, folder: Path
) -> list[tuple[Seen, Seen]]:
    """Pairs (locust, perf_analyzer). Raises as `by_locust` and PerfAnalyzer."""
    mix = QueryMix(QuerySettings(repeat_share=0), seed=1)
    queries, pairs = [mix.next() for _ in range(_QUERIES)], []
    tool.closed_loop(triton_address, queries, users, 3)  # warms up
    for _ in range(rounds):
        ours = by_locust(triton_address, users, seconds, folder)
        theirs = tool.closed_loop(triton_address, queries, users, seconds)
        pairs.append((ours, Seen(theirs.latency_ms(0.5), theirs.per_second)))
    return pairs


def agreements(pairs: list[tuple[Seen, Seen]]) -> list[Agreement]:
    """Of p50 and throughput."""
    return [
        Agreement.of("p50, ms", [(ours.p50_ms, theirs.p50_ms) for ours, theirs in pairs]),
        Agreement.of("answers/s", [(ours.answers_per_second, theirs.answers_per_second) for ours, theirs in pairs]),
    ]


def _rows_of(found: list[Agreement]) -> list[tuple[str, ...]]:
    return [(a.figure, f"{a.locust:.2f}", f"{a.perf_analyzer:.2f}", f"{a.difference:+.1%}") for a in found]


_TITLES = ("", "locust", "perf_analyzer", "difference")


def _markdown(conditions: str, found: list[Agreement]) -> str:
    rows = [_TITLES, ("---",) * len(_TITLES), *_rows_of(found)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"# Locust and perf_analyzer on the same Triton\n\nCommand: `make cross-check`. {conditions}\n\n{table}\n"


@click.command()
@click.option("--users", type=click.IntRange(1), default=2, show_default=True, help="Callers in the closed loop.")
@click.option("--seconds", type=click.FloatRange(3), default=6, show_default=True, help="Of each generator in a round.")
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True)
@click.option("--tolerance", type=click.FloatRange(0), default=0.15, show_default=True)
@options.repository
@options.out
def main(users: int, seconds: float, rounds: int, tolerance: float, repository: Path, out: Path) -> None:
    """Compare the two generators on a Triton of their own."""
    facts = machine.describe()
    try:
        tool = PerfAnalyzer(_FOLDER)
        with tempfile.TemporaryDirectory() as folder, Parts(Path(folder)).triton(repository) as triton:
            pairs = in_turns(triton.address, tool, users, seconds, rounds, Path(folder))
    except (PartError, UnavailableError, LocustFailedError) as error:
        raise click.ClickException(str(error)) from None
    found = agreements(pairs)
    table = Table(*_TITLES)
    for row in _rows_of(found):
        table.add_row(*row)
    Console().print(table)
    conditions = (
        f"{users} callers in a closed loop, no pauses; {rounds} rounds of {seconds:g} s each, in turns. Medians; the "
        f"difference is the median over the pairs. {datetime.datetime.now(tz=datetime.UTC).date()}, {facts['cores']} "
        f"cores ({facts['processor']}), commit {facts['commit']}."
    )
    out.mkdir(parents=True, exist_ok=True)
    recorded = {"users": users, "seconds": seconds, "machine": facts, "rounds": _as_json(pairs)}
    (out / "cross-check.json").write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "cross-check.md").write_text(_markdown(conditions, found), encoding="utf-8")
    if any(abs(agreement.difference) > tolerance for agreement in found):
        raise click.ClickException(f"they differ by more than {tolerance:.0%}")


def _as_json(pairs: list[tuple[Seen, Seen]]) -> list[dict[str, list[float]]]:
    return [
        {name: [one.p50_ms, one.answers_per_second] for name, one in zip(_TITLES[1:3], pair, strict=True)}
        for pair in pairs
    ]


if __name__ == "__main__":
    main()
