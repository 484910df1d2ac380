"""The queueing model: nothing is lost, and it obeys the laws that every queue obeys."""

import random
from collections.abc import Iterator

import pytest

from loadtest.autoscaling.fleet import Answer, Fleet, Pod
from loadtest.autoscaling.service_times import ServiceTimes

SECOND = ServiceTimes.between({1: 0.010, 64: 0.200})


class Run:
    """A fleet of `pods` with Poisson arrivals of `rate` for `seconds`, drained at the end."""

    def __init__(
        self,
        rate: float,
        seconds: float,
        *,
        pods: int = 1,
        deadline_seconds: float = 1e9,
        service: ServiceTimes = SECOND,
        window: int = 8,
        max_batch: int = 64,
    ) -> None:
        self.answers: list[Answer] = []
        self.fleet = Fleet(
            service,
            gateways=1,
            window=window,
            max_batch=max_batch,
            deadline_seconds=deadline_seconds,
            answered=self.answers.append,
        )
        for _ in range(pods):
            self.fleet.add(Pod())
        self.arrived = 0
        self.waiting_seconds = 0.0  # the integral over time of the number of queries without an answer
        self._last = 0.0
        for at in _poisson(rate, seconds):
            self._until(at)
            self.fleet.arrive(at, gateway=0)
            self.arrived += 1
        self._until(float("inf"))

    def _until(self, at: float) -> None:
        while (done := self.fleet.next_event) <= at and done < float("inf"):
            self._pass(done)
            self.fleet.finish_next()
        if at < float("inf"):
            self._pass(at)

    def _pass(self, now: float) -> None:
        self.waiting_seconds += self.fleet.waiting * (now - self._last)
        self._last = now

    @property
    def routed(self) -> int:
        return sum(answer.routed for answer in self.answers)


def _poisson(rate: float, seconds: float) -> Iterator[float]:
    rng, at = random.Random(7), 0.0
    while (at := at + rng.expovariate(rate)) < seconds:
        yield at


@pytest.mark.parametrize("rate", [20, 200, 500])
@pytest.mark.parametrize("deadline_seconds", [0.05, 0.2, 1e9])
def test_every_query_gets_exactly_one_answer(rate: float, deadline_seconds: float) -> None:
    run = Run(rate, 20, pods=2, deadline_seconds=deadline_seconds)
    assert len(run.answers) == run.arrived
    assert run.fleet.waiting == 0


def test_in_a_steady_state_queries_in_the_system_are_their_rate_times_their_time_in_it() -> None:
    """Little's law, with both sides counted independently: L as an integral over time, W per query."""
    run = Run(200, 120)
    mean_seconds = sum(answer.took for answer in run.answers) / len(run.answers)
    assert run.waiting_seconds / 120 == pytest.approx(run.arrived / 120 * mean_seconds, rel=0.01)


def test_without_batching_one_pod_waits_as_a_queue_with_constant_service_does() -> None:
    """Pollaczek and Khinchine for M/D/1: W = rho * s / (2 * (1 - rho))."""
    run = Run(50, 1000, service=ServiceTimes.between({1: 0.010}), max_batch=1)
    rho = 50 * 0.010
    mean_wait = sum(answer.waited for answer in run.answers) / len(run.answers)
    assert mean_wait == pytest.approx(rho * 0.010 / (2 * (1 - rho)), rel=0.05)


def test_batches_carry_more_than_single_queries_could() -> None:
    assert SECOND.of(1) * 250 > 1
    run = Run(250, 30, deadline_seconds=0.5)
    assert run.routed == run.arrived


def test_beyond_its_capacity_a_pod_answers_nearly_as_much_as_it_can() -> None:
    """What would be answered too late is refused; otherwise nearly everything would be computed in vain."""
    run = Run(2 * SECOND.capacity, 30, deadline_seconds=0.5)
    assert run.routed / 30 > 0.75 * SECOND.capacity
    assert run.routed < run.arrived


def test_nobody_waits_longer_than_the_deadline() -> None:
    run = Run(2 * SECOND.capacity, 10, deadline_seconds=0.5)
    assert max(answer.took for answer in run.answers) <= 0.5


def test_more_pods_share_the_work() -> None:
    one, four = (Run(250, 30, pods=pods) for pods in (1, 4))
    assert sum(a.waited for a in four.answers) < 0.3 * sum(a.waited for a in one.answers)


def test_a_removed_pod_finishes_what_it_has() -> None:
    answers: list[Answer] = []
    fleet = Fleet(SECOND, gateways=1, window=8, max_batch=64, deadline_seconds=10, answered=answers.append)
    fleet.add(Pod())
    fleet.add(Pod())
    for i in range(40):
        fleet.arrive(0.0001 * i, gateway=0)
    fleet.remove_newest()
    while fleet.next_event < float("inf"):
        fleet.finish_next()
    assert len(answers) == 40
    assert all(answer.routed for answer in answers)


def test_counters_count_requests_and_the_queries_in_them() -> None:
    run = Run(200, 10)
    counters = run.fleet.counters
    assert counters.asked == counters.computed == run.arrived
    assert 0 < counters.requests < run.arrived
