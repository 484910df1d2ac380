"""Offers requests at their arrival times, and never waits for an answer before it sends the next one.

A latency counts from when the request was due, not from when it was sent, so neither a stalled service nor a late
generator hides it (no coordinated omission). There is no limit on requests in flight but their deadline. Knows neither
gRPC nor HTTP: see targets.py. Run it in `precise_loop.run`, or requests are up to 1 ms late.
"""

import asyncio
import gc
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from loadtest.closed_loop.chat_overhead import percentile


class CallError(Exception):
    """A call that brought no answer; `code` is gRPC's name of it, or HTTP and the status."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Target(Protocol):
    """What requests are sent to."""

    async def send(self, request: bytes, timeout_seconds: float) -> bytes:
        """The answer.

        Raises:
            CallError: there was none within the time.
        """

    def problem(self, answer: bytes) -> str:
        """Why an answer is none (a default instead of a decision, for example); empty if it is one."""


@dataclass(slots=True)
class Sample:
    """One request. `latency_ms` is infinite where it failed: a refusal must not count as a fast answer."""

    latency_ms: float = math.inf
    late_ms: float = 0.0
    error: str = ""
    answer: bytes = b""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of the requests of one rate."""

    seconds: float  # over which they arrived
    samples: Sequence[Sample]

    @property
    def offered_per_second(self) -> float:
        """Arrivals."""
        return len(self.samples) / self.seconds

    @property
    def answered_per_second(self) -> float:
        """Arrivals that were answered within their deadline."""
        return (len(self.samples) - self.errors.total()) / self.seconds

    @property
    def errors(self) -> Counter[str]:
        """How many failed, by code."""
        return Counter(sample.error for sample in self.samples if sample.error)

    def latency_ms(self, share: float) -> float:
        """The percentile of all arrivals, `share` from 0 to 1; infinite where more than that failed."""
        return percentile([sample.latency_ms for sample in self.samples], share)

    def late_ms(self, share: float) -> float:
        """How late the generator itself was; the latencies include it."""
        return percentile([sample.late_ms for sample in self.samples], share)


async def offer(target: Target, requests: Sequence[bytes], arrivals: Sequence[float], deadline_seconds: float) -> Load:
    """Sends `requests[i]` at `arrivals[i]` seconds from now; returns when each is answered or past its deadline.

    Cancelled, it cancels the requests in flight.

    Raises:
        ValueError: there are no arrivals, or not as many requests.
    """
    if not arrivals or len(requests) != len(arrivals):
        raise ValueError(f"{len(requests)} requests for {len(arrivals)} arrivals")
    samples = [Sample() for _ in arrivals]
    with without_collections():
        begin = time.perf_counter()
        async with asyncio.TaskGroup() as flights:
            for request, arrival, sample in zip(requests, arrivals, samples, strict=True):
                due = begin + arrival
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                flights.create_task(_one(target, request, due, deadline_seconds, sample))
    _check(target, samples)
    return Load(arrivals[-1], samples)


@contextmanager
def without_collections() -> Iterator[None]:
    """Python's garbage collection would stop the generator for tens of milliseconds."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _one(target: Target, request: bytes, due: float, deadline_seconds: float, sample: Sample) -> None:
    now = time.perf_counter()
    sample.late_ms = (now - due) * 1000
    try:
        sample.answer = await target.send(request, max(0.0, due + deadline_seconds - now))
    except CallError as error:
        sample.error = error.code
    else:
        sample.latency_ms = (time.perf_counter() - due) * 1000


def _check(target: Target, samples: Sequence[Sample]) -> None:
    """After the clock has stopped: reading answers would delay others."""
    for sample in samples:
        if not sample.error and (problem := target.problem(sample.answer)):
            sample.error, sample.latency_ms = problem, math.inf
        sample.answer = b""
