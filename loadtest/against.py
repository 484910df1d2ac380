"""The gateway of this tree against that of another checkout: CPU time of a call, by this tree's load generator.

    python -m loadtest.against CHECKOUT [--rounds 8]

The checkout's code runs in its own environment (`.venv`) where it has one, else in this one. The ratio of each row is
shown, and nothing is written. Status 1 where a goal is missed.
"""

import signal
import sys
import tempfile
from pathlib import Path

import click
import grpc
from rich.console import Console

from loadtest import machine
from loadtest.bench import at_once
from loadtest.bench.comparison import Comparison, Goal, Verdict
from loadtest.bench.report import Run
from loadtest.closed_loop.closed_loop import WrongAnswerError
from loadtest.requests.query_stream import Supply
from loadtest.servers import targets
from loadtest.servers.processes import routerdc_of
from loadtest.servers.servers import PartError, Parts

GOAL = Goal("ratio", most=1.02)


def compare(folder: Path, checkout: Path, rounds: int, calls: int) -> list[Comparison]:
    """CPU time of a call with scores from the cache, and of one with scores from a Triton that has them at once.

    Args:
        folder: for files of the parts.
        checkout: where the other gateway's code is.
        rounds: for each of which both gateways are started twice.
        calls: of each gateway, in each round, start and row.
    """
    parts, others = Parts(folder), Parts(folder / "checkout", routerdc_of(checkout))
    others.folder.mkdir()
    queries = Supply.of(folder)
    asked = {"scores cached": targets.route_repeated, "instant Triton": lambda gateway: targets.route(gateway, queries)}
    found = at_once.pairs(parts, parts.gateway, others.gateway, list(asked.values()), rounds, calls)
    return [
        Comparison(
            f"CPU per call over that of {checkout}: {name}",
            "ms",
            tuple(ours.cpu_ms for ours, _ in pairs),
            tuple(other.cpu_ms for _, other in pairs),
            GOAL,
            at_once.CONDITIONS,
        )
        for name, pairs in zip(asked, found, strict=True)
    ]


@click.command()
@click.argument("checkout", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rounds", type=click.IntRange(1), default=8, show_default=True)
@click.option("--calls", type=click.IntRange(1), default=at_once.CALLS, show_default=True, help="A round and start.")
def main(checkout: Path, rounds: int, calls: int) -> None:
    """Compare this tree's gateway with that of CHECKOUT."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # parts are stopped then, too
    try:
        with tempfile.TemporaryDirectory() as folder:
            run = Run(machine.describe(), compare(Path(folder), checkout, rounds, calls))
    except (PartError, WrongAnswerError, grpc.RpcError) as error:
        raise click.ClickException(str(error)) from None
    Console().print(run.as_table())
    sys.exit(any(one.verdict(run.machine["cores"]) is Verdict.MISSED for one in run.comparisons))


if __name__ == "__main__":
    main()
