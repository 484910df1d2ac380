"""Measures all contenders alternately: throughput and CPU time in several rounds, latency at set rates, memory."""

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from rich.console import Console

from loadtest.bench.comparison import Spread
from loadtest.closed_loop.closed_loop import WrongAnswerError
from loadtest.open_loop.generator import CallError
from loadtest.requests.query_stream import Supply
from loadtest.servers.servers import PartError
from loadtest.servers.worker import WorkerError
from loadtest.side_by_side.contenders import Contender
from loadtest.side_by_side.environments import InstallError
from loadtest.side_by_side.http_server import StartError
from loadtest.side_by_side.running import Latency, Running, Saturated

RATES = (5.0, 20.0, 60.0)  # queries a second
_PAUSE_SECONDS = 0.5  # before each rate, in which what came before ends
_SUSTAINABLE = 0.9  # of the throughput: above it a queue grows without end
_FAILURES = (InstallError, StartError, PartError, WorkerError, CallError, FileNotFoundError, WrongAnswerError)


@dataclass(slots=True)
class Result:
    """What was found of one contender; `error` where it could not be installed, started or asked."""

    name: str
    decides: bool
    ours: bool
    saturated: list[Saturated] = field(default_factory=list)
    latency: dict[float, Latency] = field(default_factory=dict)  # by rate, as far as it keeps up
    peak_memory_bytes: int = 0
    error: str = ""

    @property
    def queries_per_second(self) -> Spread:
        """Over the rounds."""
        return Spread.of([one.queries_per_second for one in self.saturated])

    @property
    def cpu_ms(self) -> float:
        """For each query."""
        return statistics.median(one.cpu_ms for one in self.saturated)


def measure(
    contenders: Sequence[Contender], queries: Supply, rounds: int, seconds_at_rate: float, console: Console
) -> list[Result]:
    """One result for each contender, in their order; all of them run at once, and one at a time has work."""
    results = [Result(one.name, one.decides, one.ours) for one in contenders]
    with ExitStack() as stack:
        running = dict[str, Running]()
        for one, result in zip(contenders, results, strict=True):
            with console.status(f"starting {one.name}"), _noting(result):
                running[one.name] = stack.enter_context(one.start())
                running[one.name].saturated(queries.take(max(2, one.queries // 4)))  # warm
        for number in range(rounds):
            for one, result in zip(contenders, results, strict=True):
                if not result.error:
                    with console.status(f"round {number + 1}: {one.name}"), _noting(result):
                        result.saturated.append(running[one.name].saturated(queries.take(one.queries)))
        for result in results:
            if not result.error:
                with console.status(f"rates: {result.name}"), _noting(result):
                    _rates(result, running[result.name], queries, seconds_at_rate)
                    result.peak_memory_bytes = running[result.name].peak_memory_bytes()
    return results


def _rates(result: Result, running: Running, queries: Supply, seconds: float) -> None:
    for rate in RATES:
        if rate <= _SUSTAINABLE * result.queries_per_second.median:
            count = max(2, math.ceil(rate * seconds))
            time.sleep(_PAUSE_SECONDS)
            result.latency[rate] = running.at_rate(queries.take(count), rate, seed=0)


@contextmanager
def _noting(result: Result) -> Iterator[None]:
    """A failure ends one contender, not the run."""
    try:
        yield
    except _FAILURES as error:
        result.error = f"{type(error).__name__}: {error}"
