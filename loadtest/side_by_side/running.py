"""A contender that runs, as a library in a process of its own or as a server, and how both are measured alike.

Throughput is what it does with more work than it can do; latency is measured at set rates with Poisson arrivals and
counts from when a query was due. CPU time and memory are those of all of its processes.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from loadtest.closed_loop.closed_loop import WrongAnswerError
from loadtest.closed_loop.usage import cpu_seconds, peak_memory_bytes
from loadtest.open_loop import precise_loop
from loadtest.open_loop.arrivals import poisson
from loadtest.open_loop.generator import Load, Target, offer
from loadtest.servers.worker import Worker

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

    def saturated(self, queries: Sequence[str]) -> Saturated:
        """All `queries` as fast as it can."""

    def at_rate(self, queries: Sequence[str], rate_per_second: float, seed: int) -> Latency:
        """`queries` at random times, so many a second."""

    def peak_memory_bytes(self) -> int:
        """Since it was started."""


@dataclass(frozen=True, slots=True)
class Library:
    """A worker that takes up to `batch` queries at a time."""

    worker: Worker
    batch: int

    def saturated(self, queries: Sequence[str]) -> Saturated:
        """See `Running`."""
        work = self.worker.batches(queries, self.batch)
        return Saturated(work.queries_per_second, work.cpu_ms)

    def at_rate(self, queries: Sequence[str], rate_per_second: float, seed: int) -> Latency:
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

    connect: Callable[[], AbstractAsyncContextManager[Target]]
    message: Callable[[str], bytes]
    pids: tuple[int, ...]
    callers: int = 32

    def saturated(self, queries: Sequence[str]) -> Saturated:
        """See `Running`; `callers` each wait for their answer before they ask again."""
        return precise_loop.run(self._saturated([self.message(query) for query in queries]))

    def at_rate(self, queries: Sequence[str], rate_per_second: float, seed: int) -> Latency:
        """See `Running`."""
        due = poisson(rate_per_second, len(queries) / rate_per_second, seed)[: len(queries)]
        load = precise_loop.run(self._offered([self.message(query) for query in queries[: len(due)]], due))
        return Latency(load.latency_ms(0.5), load.latency_ms(0.99))

    def peak_memory_bytes(self) -> int:
        """See `Running`."""
        return peak_memory_bytes(*self.pids)

    async def _offered(self, requests: list[bytes], due: list[float]) -> Load:
        async with self.connect() as target:
            return await offer(target, requests, due, _TIMEOUT_SECONDS)

    async def _saturated(self, requests: list[bytes]) -> Saturated:
        left, answers = iter(requests), list[bytes]()
        async with self.connect() as target:

            async def caller() -> None:
                for request in left:
                    answers.append(await target.send(request, _TIMEOUT_SECONDS))

            cpu, started = cpu_seconds(*self.pids), time.perf_counter()
            await asyncio.gather(*(caller() for _ in range(self.callers)))
            seconds, cpu = time.perf_counter() - started, cpu_seconds(*self.pids) - cpu
        if problems := {problem for problem in map(target.problem, answers) if problem}:
            raise WrongAnswerError(", ".join(sorted(problems)))
        return Saturated(len(requests) / seconds, cpu / len(requests) * 1000)
