import itertools
from dataclasses import replace

import pytest

from loadtest.autoscaling.service_times import ServiceTimes
from loadtest.autoscaling.simulation import Outcome, Plan, Setting, simulate

SERVICE = ServiceTimes.between({1: 0.010, 16: 0.100})  # 160 queries a second
SETTING = Setting(SERVICE, start_seconds=20, max_batch=16)
PLAN = Plan(min_replicas=2, max_replicas=10, asked_per_second_per_pod=100)
STEP = [(120.0, 100.0), (300.0, 500.0), (900.0, 100.0)]


def regular(phases: list[tuple[float, float]]) -> list[float]:
    """Arrivals at equal distances: (until, queries a second)."""
    times, at = [], 0.0
    for until, rate in phases:
        while at < until:
            times.append(at)
            at += 1 / rate
    return times


@pytest.fixture(scope="module")
def step() -> Outcome:
    return simulate(PLAN, SETTING, regular(STEP), 900)


def test_every_query_is_answered_or_still_waits(step: Outcome) -> None:
    assert len(step.answers) + step.unanswered == len(regular(STEP))
    assert sum(second.queries for second in step.seconds) == len(step.answers)


def test_the_pods_that_a_steady_load_takes_are_wanted_after_a_step(step: Outcome) -> None:
    assert step.seconds[290].wanted == step.seconds[290].pods == 5


def test_a_pod_takes_requests_only_when_it_has_started(step: Outcome) -> None:
    wanted = next(i for i, second in enumerate(step.seconds) if second.wanted > 2)
    ready = next(i for i, second in enumerate(step.seconds) if second.pods > 2)
    assert ready - wanted == 20


def test_pods_go_only_after_the_stabilization_window(step: Outcome) -> None:
    first_less = next(i for i, (a, b) in enumerate(itertools.pairwise(step.seconds)) if b.wanted < a.wanted)
    assert first_less > 300 + 270
    assert step.seconds[-1].wanted == 2


def test_defaults_come_while_pods_start_and_end_when_they_are_there(step: Outcome) -> None:
    assert any(second.routed < second.queries for second in step.seconds[120:170])
    assert all(second.routed == second.queries for second in step.seconds[190:890])


def test_replicas_never_leave_their_bounds(step: Outcome) -> None:
    crowded = simulate(replace(PLAN, max_replicas=3), SETTING, regular([(300.0, 600.0)]), 300)
    for outcome, most in ((step, 10), (crowded, 3)):
        assert all(2 <= second.wanted <= most for second in outcome.seconds)


def test_what_was_asked_brings_pods_sooner_than_what_was_computed(step: Outcome) -> None:
    """Triton's own count is capped by what it can compute."""
    by_computed = simulate(
        replace(PLAN, asked_per_second_per_pod=None, computed_per_second_per_pod=100), SETTING, regular(STEP), 900
    )
    assert by_computed.default_share > step.default_share


def test_queue_time_brings_pods_where_cores_are_slower_than_planned() -> None:
    slow = replace(SETTING, service=SERVICE.slower(2))
    load = regular([(400.0, 300.0)])
    by_queries = simulate(PLAN, slow, load, 400)
    with_queue_time = simulate(replace(PLAN, queue_seconds_per_request=0.02), slow, load, 400)
    assert max(s.pods for s in with_queue_time.seconds) > max(s.pods for s in by_queries.seconds)
    assert with_queue_time.default_share < by_queries.default_share


def test_without_traffic_nothing_moves() -> None:
    idle = simulate(replace(PLAN, queue_seconds_per_request=0.02), SETTING, [], 120)
    assert {second.wanted for second in idle.seconds} == {2}
    assert idle.default_share == 0
