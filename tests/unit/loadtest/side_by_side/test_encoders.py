"""The comparison of encoders: turns, rates that a contender can keep up with, failures that stay its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from rich.console import Console

from loadtest.requests.query_stream import Supply
from loadtest.servers.worker import WorkerError
from loadtest.side_by_side import encoders
from loadtest.side_by_side.contenders import Contender
from loadtest.side_by_side.encoders import RATES, measure
from loadtest.side_by_side.environments import InstallError
from loadtest.side_by_side.running import Latency, Running, Saturated


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "_PAUSE_SECONDS", 0)


class Fake:
    def __init__(self, asked: list[str], name: str, per_second: float, fails_after: int = 1000) -> None:
        self._asked, self._name, self._per_second, self._left = asked, name, per_second, fails_after

    def saturated(self, queries: Sequence[str]) -> Saturated:
        if (left := self._left) == 0:
            raise WorkerError(f"{self._name} ended")
        self._left = left - 1
        self._asked.append(self._name)
        return Saturated(self._per_second, 2.0)

    def at_rate(self, queries: Sequence[str], rate_per_second: float, seed: int) -> Latency:
        self._asked.append(f"{self._name} at {rate_per_second:g}")
        return Latency(1.0, 2.0)

    def peak_memory_bytes(self) -> int:
        return 7


def contender(name: str, asked: list[str], per_second: float = 1000, fails_after: int = 1000) -> Contender:
    @contextmanager
    def start() -> Iterator[Running]:
        if per_second == 0:
            raise InstallError(f"{name}: no such package")
        yield Fake(asked, name, per_second, fails_after)

    return Contender(name, decides=True, ours=False, queries=8, start=start)


def test_contenders_take_turns_and_are_asked_only_at_rates_that_they_keep_up_with() -> None:
    asked: list[str] = []
    pair = [contender("fast", asked), contender("slow", asked, per_second=10)]
    fast, slow = measure(pair, Supply(["q"]), 2, 1.0, Console(quiet=True))
    assert asked[:6] == ["fast", "slow"] * 3  # to warm up, and two rounds
    assert (list(fast.latency), list(slow.latency)) == (list(RATES), [5.0])
    assert (fast.queries_per_second.median, fast.cpu_ms, fast.peak_memory_bytes) == (1000, 2, 7)


def test_what_cannot_be_installed_or_ends_is_reported_and_the_others_go_on() -> None:
    asked: list[str] = []
    all_of_them = [
        contender("absent", asked, per_second=0),
        contender("breaks", asked, fails_after=2),
        contender("good", asked),
    ]
    absent, breaks, good = measure(all_of_them, Supply(["q"]), 3, 1.0, Console(quiet=True))
    assert absent.error == "InstallError: absent: no such package"
    assert breaks.error == "WorkerError: breaks ended"
    assert (len(good.saturated), good.error) == (3, "")
