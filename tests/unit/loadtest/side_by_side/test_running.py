"""Libraries and servers are measured alike."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest

from loadtest.closed_loop.closed_loop import WrongAnswerError
from loadtest.servers.worker import Work, Worker
from loadtest.side_by_side.running import Library, Server


class Target:
    def __init__(self, answer: bytes = b"ok") -> None:
        self.asked: list[bytes] = []
        self._answer = answer

    async def send(self, request: bytes, timeout_seconds: float) -> bytes:
        self.asked.append(request)
        return self._answer

    def problem(self, answer: bytes) -> str:
        return "" if answer == b"ok" else "NOT_OK"


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[Target]:
    yield target


class FakeWorker:
    pid = os.getpid()

    def arrivals(self, queries: Sequence[str], due_seconds: Sequence[float], batch: int) -> Work:
        assert len(queries) == len(due_seconds)
        assert sorted(due_seconds) == list(due_seconds)
        return Work(len(queries), 1.0, 0.5, list(range(len(queries))), 1, {})


def test_saturated_server_gets_every_query_once() -> None:
    target = Target()
    server = Server(lambda: connected(target), str.encode, (os.getpid(),), callers=3)
    result = server.saturated(["a", "b", "c", "d"])
    assert sorted(target.asked) == [b"a", b"b", b"c", b"d"]
    assert result.queries_per_second > 0
    assert server.peak_memory_bytes() > 0


def test_wrong_answers_are_not_measured() -> None:
    with pytest.raises(WrongAnswerError, match="NOT_OK"):
        Server(lambda: connected(Target(b"no")), str.encode, (os.getpid(),)).saturated(["a"])


def test_server_at_a_rate() -> None:
    target = Target()
    latency = Server(lambda: connected(target), str.encode, (os.getpid(),)).at_rate(["q"] * 20, 200, seed=1)
    assert 1 <= len(target.asked) <= 20
    assert latency.p50_ms <= latency.p99_ms


def test_library_at_a_rate_gets_as_many_queries_as_arrivals() -> None:
    latency = Library(cast(Worker, FakeWorker()), 8).at_rate(["q"] * 50, 100, seed=1)
    assert latency.p50_ms < latency.p99_ms
