"""A contender that runs, as a library in a process of its own or as a server, and how both are measured alike.

Throughput is what it does with more work than it can do; latency is measured at set rates with Poisson arrivals and
counts from when a query was due. CPU time and memory are those of all of its processes.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from loadtest.data_plane import percentile
from loadtest.open_loop.arrivals import poisson
from loadtest.open_loop.generator import Target, offer
from loadtest.processes import cpu_seconds, peak_memory_bytes
from loadtest.worker import Worker

_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Saturated:
    """With more work than it can do."""

    queries_per_second: float
    cpu_ms: float  # for each query


@dataclass(frozen=True, slots=True)
class Latency:
    """At a rate."""

    p50_ms: float
    p99_ms: float


class Running(Protocol):
    """What is measured."""

    async def saturated(self, queries: Sequence[str]) -> Saturated:
        """All `queries` as fast as it can."""

    async def at_rate(self, queries: Sequence[str], rate_per_second: float, seed: int) -> Latency:
        """`queries` at random times, so many a second."""

    def peak_memory_bytes(self) -> int:
        """Since it was started."""


@dataclass(frozen=True, slots=True)
class Library:
    """A worker that takes up to `batch` queries at a time."""

    worker: Worker
    batch: int

    async def saturated(self, queries: Sequence[str]) -> Saturated:
        """See `Running`."""
        work = self.worker.batches(queries, self.batch)
        return Saturated(work.queries_per_second, work.cpu_ms)

    async def at_rate(self, queries: Sequence[str], rate_per_second: float, seed: int) -> Latency:
        """See `Running`. A batch is what has come while the last one was computed."""
        due = poisson(rate_per_second, len(queries) / rate_per_second, seed)[: len(queries)]
        work = self.worker.arrivals(queries[: len(due)], due, self.batch)
        return Latency(work.latency_ms(0.5), work.latency_ms(0.99))

    def peak_memory_bytes(self) -> int:
        """See `Running`."""
        return peak_memory_bytes(self.worker.pid)


@dataclass(frozen=True, slots=True)
class Server:
    """`message` makes a request of a query; `pids`: the roots of its process trees."""

    target: Target
    message: Callable[[str], bytes]
    pids: tuple[int, ...]
    callers: int = 32

    async def saturated(self, queries: Sequence[str]) -> Saturated:
        """See `Running`; `callers` each wait for their answer before they ask again."""
        requests = iter([self.message(query) for query in queries])
        answers = list[bytes]()

        async def caller() -> None:
            for request in requests:
                answers.append(await self.target.send(request, _TIMEOUT_SECONDS))

        cpu, started = cpu_seconds(*self.pids), time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(self.callers)))
        seconds, cpu = time.perf_counter() - started, cpu_seconds(*self.pids) - cpu
        if problems := {problem for problem in map(self.target.problem, answers) if problem}:
            raise RuntimeError(f"wrong answers: {', '.join(problems)}")
        return Saturated(len(queries) / seconds, cpu / len(queries) * 1000)

    async def at_rate(self, queries: Sequence[str], rate_per_second: float, seed: int) -> Latency:
        """See `Running`."""
        due = poisson(rate_per_second, len(queries) / rate_per_second, seed)[: len(queries)]
        load = await offer(self.target, [self.message(query) for query in queries[: len(due)]], due, _TIMEOUT_SECONDS)
        took_ms = [sample.latency_ms for sample in load.samples]
        return Latency(percentile(took_ms, 0.5), percentile(took_ms, 0.99))

    def peak_memory_bytes(self) -> int:
        """See `Running`."""
        return peak_memory_bytes(*self.pids)
