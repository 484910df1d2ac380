"""Unary gRPC calls in a closed loop: each caller waits for its answer. For load at a set rate see `loadtest.open_loop`.

Requests are serialized before the clock starts and answers are read after it stops: the load generator shares the
machine with what it measures, and should cost as little as it can. Knows no service.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from grpc import aio

from loadtest.closed_loop.chat_overhead import percentile
from loadtest.closed_loop.usage import cpu_seconds

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
    pids: tuple[int, ...]  # whose CPU time is counted, with that of the processes that they started

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

    def __add__(self, later: "Round") -> "Round":
        """Both, as if they were one."""
        return Round(self.seconds + later.seconds, self.took_ms + later.took_ms, self.cpu_seconds + later.cpu_seconds)

    @property
    def cpu_ms(self) -> float:
        """Of the service's processes, for each call; others on the machine hardly change it."""
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

        cpu_before, started = cpu_seconds(*self.service.pids), time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(callers)))
        seconds, cpu = time.perf_counter() - started, cpu_seconds(*self.service.pids) - cpu_before
        for answer in answers:
            self.service.check(answer)
        return Round(seconds, took_ms, cpu)

    def _prepared(self, requests: int) -> list[bytes]:
        return list(itertools.islice(self.service.requests, requests))
