"""Unary gRPC calls as load: closed loop (each caller waits for its answer) or at a fixed rate.

Requests are serialized before the clock starts and answers are read after it stops: the load generator shares the
machine with what it measures, and should cost as little as it can. Knows no service.
"""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from grpc import aio

from loadtest.data_plane import percentile

_TIMEOUT_SECONDS = 30
# Without it channels with the same options share one connection.
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)

Call = aio.UnaryUnaryMultiCallable[bytes, bytes]


class WrongAnswerError(Exception):
    """An answer that must not be measured as if it were one: a default instead of a decision, for example."""


@dataclass(frozen=True, slots=True)
class Service:
    """Where to call, with what, and what an answer must be."""

    address: str
    method: str
    requests: Iterator[bytes]
    check: Callable[[bytes], None]  # raises WrongAnswerError
    pid: int  # of the process whose CPU time is counted

    @asynccontextmanager
    async def connect(self, connections: int = 1) -> AsyncIterator["Connected"]:
        """Channels that are ready; closed at the end."""
        channels = [aio.insecure_channel(self.address, options=_OWN_CONNECTION) for _ in range(connections)]
        try:
            await asyncio.gather(*(channel.channel_ready() for channel in channels))
            yield Connected(self, [channel.unary_unary(self.method) for channel in channels])
        finally:
            for channel in channels:
                await channel.close()


@dataclass(frozen=True, slots=True)
class Round:
    """What a number of calls took."""

    seconds: float
    took_ms: list[float]
    cpu_seconds: float

    @property
    def cpu_ms(self) -> float:
        """Of the service's process, for each call; other processes on the machine hardly change it."""
        return self.cpu_seconds / len(self.took_ms) * 1000

    @property
    def calls_per_second(self) -> float:
        """Answered, over the whole round."""
        return len(self.took_ms) / self.seconds

    def latency_ms(self, share: float) -> float:
        """The percentile, `share` from 0 to 1."""
        return percentile(self.took_ms, share)


@dataclass(frozen=True, slots=True)
class Connected:
    """A service with open connections, which take turns."""

    service: Service
    calls: Sequence[Call]

    async def closed_loop(self, requests: int, callers: int) -> Round:
        """`callers` each send the next request as soon as their last one is answered, until `requests` were sent.

        Raises:
            grpc.aio.AioRpcError: a call failed.
            WrongAnswerError: an answer is not what the service's check wants.
        """
        work, ways = iter(self._prepared(requests)), itertools.cycle(self.calls)
        took_ms, answers = list[float](), list[bytes]()

        async def caller() -> None:
            call = next(ways)
            for request in work:
                started = time.perf_counter()
                answers.append(await call(request, timeout=_TIMEOUT_SECONDS))
                took_ms.append((time.perf_counter() - started) * 1000)

        return await self._timed([caller() for _ in range(callers)], took_ms, answers)

    async def at_rate(self, requests: int, per_second: float) -> Round:
        """A request every 1 / `per_second`, whether or not the ones before are answered.

        Times count from when a request was due, so that a stall is not hidden by requests that were sent late.
        Raises as `closed_loop`.
        """
        ways = itertools.cycle(self.calls)
        took_ms, answers = list[float](), list[bytes]()

        async def one(i: int, request: bytes, call: Call) -> None:
            due = begin + i / per_second
            await asyncio.sleep(due - time.perf_counter())
            answers.append(await call(request, timeout=_TIMEOUT_SECONDS))
            took_ms.append((time.perf_counter() - due) * 1000)

        jobs = [one(i, request, next(ways)) for i, request in enumerate(self._prepared(requests))]
        begin = time.perf_counter()
        return await self._timed(jobs, took_ms, answers)

    def _prepared(self, requests: int) -> list[bytes]:
        return list(itertools.islice(self.service.requests, requests))

    async def _timed(
        self, jobs: list[Coroutine[None, None, None]], took_ms: list[float], answers: list[bytes]
    ) -> Round:
        cpu_before, started = cpu_seconds(self.service.pid), time.perf_counter()
        await asyncio.gather(*jobs)
        seconds, cpu = time.perf_counter() - started, cpu_seconds(self.service.pid) - cpu_before
        for answer in answers:
            self.service.check(answer)
        return Round(seconds, took_ms, cpu)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all threads (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
