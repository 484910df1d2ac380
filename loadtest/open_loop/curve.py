"""Latency against rate: doubles the rate until the service is saturated, then narrows down where the goal is missed.

Every rate that was looked at is a point of the curve. Knows no service: what it measures is a function of the rate.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from loadtest.open_loop.generator import Load

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
_FOR_P50, _FOR_P99 = 0.5, 0.99
_MISSES = 3

Measure = Callable[[float], Awaitable[Load]]


@dataclass(frozen=True, slots=True)
class Point:
    """One rate. A percentile is None where so many requests failed that it has no value, or there were too few."""

    rate_per_second: float
    offered_per_second: float
    answered_per_second: float
    requests: int
    errors: dict[str, int]
    latency_ms: dict[str, float | None]
    late_p99_ms: float
    within_goal: bool
    tries: int = 1

    @classmethod
    def of(cls, rate_per_second: float, load: Load, goal_p99_ms: float, tries: int = 1) -> "Point":
        """What was measured at a rate, compared with the goal."""
        return cls(
            rate_per_second,
            load.offered_per_second,
            load.answered_per_second,
            len(load.samples),
            dict(load.errors),
            {name: _percentile(load, share) for name, share in SHARES.items()},
            load.late_ms(_FOR_P99),
            load.latency_ms(_FOR_P99) <= goal_p99_ms,
            tries,
        )


@dataclass(slots=True)
class Curve:
    """The points of one target, by rate."""

    name: str
    goal_p99_ms: float
    points: list[Point] = field(default_factory=list)

    @property
    def highest_rate_within_goal(self) -> float | None:
        """The highest rate that held p99 under the goal; None: no rate did.

        Where a lower rate did not hold it, the machine was disturbed then: more load does not make a service faster.
        """
        return max((point.rate_per_second for point in self.points if point.within_goal), default=None)


async def trace(name: str, measure: Measure, goal_p99_ms: float, start_rate: float, closeness: float = 0.1) -> Curve:
    """The curve of a target up to saturation, and its highest good rate, known to `closeness`.

    A target is saturated where p50 misses the goal, too; doubling ends after three rates that missed it in any case.
    A rate misses the goal when it misses it twice: a machine's one hiccup of 100 ms is 1 % of ten seconds. The better
    try is the point, and says that there were two. A `start_rate` that is saturated already is halved, down to 1 a
    second.
    """
    curve = Curve(name, goal_p99_ms)

    async def saturated_at(rate: float) -> bool:
        load, tries = await measure(rate), 1
        if load.latency_ms(_FOR_P99) > goal_p99_ms >= load.latency_ms(_FOR_P50):
            load, tries = min(load, await measure(rate), key=lambda one: one.latency_ms(_FOR_P99)), 2
        point = Point.of(rate, load, goal_p99_ms, tries)
        curve.points = sorted([*curve.points, point], key=lambda one: one.rate_per_second)
        return load.latency_ms(_FOR_P50) > goal_p99_ms

    rate = start_rate
    while not await saturated_at(rate) and not _given_up(curve):
        rate *= 2
    while curve.highest_rate_within_goal is None and (start_rate := start_rate / 2) >= 1:
        await saturated_at(start_rate)
    while (good := curve.highest_rate_within_goal) and (bad := _lowest_above(curve, good)) / good > 1 + closeness:
        await saturated_at((good + bad) / 2)
    return curve


def _given_up(curve: Curve) -> bool:
    last = curve.points[-_MISSES:]
    return len(last) == _MISSES and not any(point.within_goal for point in last)


def _lowest_above(curve: Curve, rate: float) -> float:
    return min(point.rate_per_second for point in curve.points if point.rate_per_second > rate)


def _percentile(load: Load, share: float) -> float | None:
    if len(load.samples) * (1 - share) < 1 - 1e-6:  # p99.9 of fewer than 1000 requests
        return None
    value = load.latency_ms(share)
    return value if value != float("inf") else None
