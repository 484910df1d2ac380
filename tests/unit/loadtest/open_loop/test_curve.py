"""The curve finds the highest rate within the goal of services whose limits are known."""

import math

import pytest

from loadtest.open_loop.curve import Curve, Point, trace
from loadtest.open_loop.generator import Load, Sample


def service_with_limit(limit: float, asked: list[float], errors: int = 0) -> "object":
    async def measure(rate: float) -> Load:
        asked.append(rate)
        slow = 500.0 if rate > limit else 5.0
        samples = [Sample(latency_ms=slow) for _ in range(1000 - errors)]
        return Load(1000 / rate, samples + [Sample(error="UNAVAILABLE") for _ in range(errors)])

    return measure


@pytest.mark.parametrize("limit", [37.0, 50.0, 333.0, 1900.0, 3.0])
async def test_the_highest_rate_is_found_to_a_tenth(limit: float) -> None:
    asked: list[float] = []
    curve = await trace("service", service_with_limit(limit, asked), goal_p99_ms=50, start_rate=50)  # type: ignore[arg-type]
    highest = curve.highest_rate_within_goal
    assert highest is not None
    assert highest <= limit < highest * 1.1
    assert [point.rate_per_second for point in curve.points] == sorted(set(asked))
    assert len(set(asked)) < 15


async def test_a_service_that_never_holds_the_goal_has_no_highest_rate() -> None:
    asked: list[float] = []
    curve = await trace("service", service_with_limit(0.1, asked), goal_p99_ms=50, start_rate=8)  # type: ignore[arg-type]
    assert curve.highest_rate_within_goal is None
    assert asked == [8, 4, 2, 1]


async def test_the_curve_goes_on_past_the_goal_to_saturation() -> None:
    async def slower_and_slower(rate: float) -> Load:
        slow = 500.0 if rate > 100 else 5.0  # p99 misses the goal from 100 a second on, p50 from 700
        return Load(1.0, [Sample(latency_ms=slow)] * 20 + [Sample(latency_ms=500.0 if rate > 700 else 5.0)] * 980)

    curve = await trace("service", slower_and_slower, goal_p99_ms=50, start_rate=50)
    assert curve.points[-1].rate_per_second == 800
    assert 91 <= (curve.highest_rate_within_goal or 0) <= 100


async def test_one_hiccup_is_no_miss_and_is_told() -> None:
    async def hiccups(rate: float) -> Load:
        asked.append(rate)
        return Load(
            1.0,
            [Sample(latency_ms=500.0 if asked == [10] else 5.0)] * 20
            + [Sample(latency_ms=500.0 if rate > 15 else 5.0)] * 980,
        )

    asked: list[float] = []
    curve = await trace("service", hiccups, goal_p99_ms=50, start_rate=10)
    assert (curve.highest_rate_within_goal or 0) > 13
    assert curve.points[0].tries == 2
    assert curve.points[0].latency_ms["p99"] == 5.0


async def test_more_than_one_failure_in_a_hundred_misses_the_goal() -> None:
    curve = await trace("service", service_with_limit(math.inf, [], errors=20), goal_p99_ms=50, start_rate=2)  # type: ignore[arg-type]
    assert curve.highest_rate_within_goal is None
    assert curve.points[0].latency_ms["p99"] is None
    assert curve.points[0].errors == {"UNAVAILABLE": 20}


def test_a_rate_that_missed_below_one_that_held_was_disturbed() -> None:
    fast, slow = (Load(1.0, [Sample(latency_ms=ms)] * 100) for ms in (5.0, 500.0))
    points = [Point.of(rate, load, 50) for rate, load in ((10, fast), (20, slow), (30, fast), (60, slow))]
    assert Curve("service", 50, points).highest_rate_within_goal == 30


def test_percentiles_of_too_few_requests_are_left_out() -> None:
    point = Point.of(10, Load(1.0, [Sample(latency_ms=5.0)] * 999), 50)
    assert point.latency_ms == {"p50": 5.0, "p95": 5.0, "p99": 5.0, "p99.9": None}
