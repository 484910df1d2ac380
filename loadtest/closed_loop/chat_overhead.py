"""What a data plane adds: the same chat completions through several base URLs in turn, in several rounds.

    python -m loadtest.closed_loop.chat_overhead --target alone=http://127.0.0.1:10001/v1=llm --target routed=http://127.0.0.1:10000/v1=auto

Rounds go round robin over the targets, so that a noisy minute hits all of them. Knows HTTP, nothing of routing.
"""

import asyncio
import itertools
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

import aiohttp
import click
from rich.console import Console
from rich.table import Table

_WARM_UP_REQUESTS = 50


_numbers = itertools.count()


class Target(NamedTuple):
    """A base URL and the model to ask for there; `distinct`: never the same text twice, so that no score is cached."""

    name: str
    base_url: str
    model: str
    distinct: bool = False

    @classmethod
    def parse(cls, text: str) -> "Target":
        """From NAME=URL=MODEL.

        Raises:
            click.BadParameter: it has another form.
        """
        parts = text.split("=")
        if len(parts) != 3 or not all(parts):
            raise click.BadParameter(f"{text!r} is not NAME=URL=MODEL", param_hint="--target")
        return cls(parts[0], parts[1], parts[2])


async def round_of(session: aiohttp.ClientSession, target: Target, requests: int, concurrency: int) -> list[float]:
    """Milliseconds of each request; `concurrency` of them are in flight at any time.

    Raises:
        aiohttp.ClientError: one was not answered with 200.
    """
    left, took_ms = iter(range(requests)), list[float]()

    async def caller() -> None:
        for _ in left:
            body = _body(target)
            started = time.perf_counter()
            async with session.post(f"{target.base_url}/chat/completions", json=body) as response:
                await response.read()
                response.raise_for_status()
            took_ms.append((time.perf_counter() - started) * 1000)

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    return took_ms


def _body(target: Target) -> dict[str, object]:
    text = "What is the capital of France?"
    text = f"{next(_numbers)}: {text}" if target.distinct else text
    return {"model": target.model, "messages": [{"role": "user", "content": text}]}


async def measure(
    targets: Sequence[Target], rounds: int, requests: int, concurrency: int
) -> dict[str, list[list[float]]]:
    """Milliseconds by target, a list for each round."""
    took: dict[str, list[list[float]]] = {target.name: [] for target in targets}
    async with aiohttp.ClientSession() as session:
        for target in targets:
            await round_of(session, target, _WARM_UP_REQUESTS, concurrency)
        for _ in range(rounds):
            for target in targets:
                took[target.name].append(await round_of(session, target, requests, concurrency))
    return took


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def report(took: dict[str, list[list[float]]]) -> Table:
    """Medians over the rounds, and what each target adds to the first one."""
    table = Table("target", "p50 ms", "p99 ms", "added p50 ms", "added p99 ms")
    rows = {name: [_median_over_rounds(rounds, share) for share in (0.5, 0.99)] for name, rounds in took.items()}
    base = next(iter(rows.values()))
    for name, row in rows.items():
        added = (value - first for value, first in zip(row, base, strict=True))
        table.add_row(name, *(f"{value:.2f}" for value in (*row, *added)))
    return table


def _median_over_rounds(rounds: Sequence[Sequence[float]], share: float) -> float:
    return statistics.median(percentile(one, share) for one in rounds)


@click.command()
@click.option("--target", "texts", multiple=True, required=True, help="NAME=URL=MODEL; the first is the base line.")
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True)
@click.option("--requests", type=click.IntRange(1), default=500, show_default=True, help="In each round.")
@click.option("--concurrency", type=click.IntRange(1), default=1, show_default=True)
def main(texts: tuple[str, ...], rounds: int, requests: int, concurrency: int) -> None:
    """Measure chat completions through several base URLs and compare them with the first."""
    took = asyncio.run(measure([Target.parse(text) for text in texts], rounds, requests, concurrency))
    Console().print(report(took))


if __name__ == "__main__":
    main()
