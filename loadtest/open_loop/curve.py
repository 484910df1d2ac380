"""Latency against rate: doubles the rate until the goal is missed, then narrows down where that happens.

Every rate that was looked at is a point of the curve. Knows no service: what it measures is a function of the rate.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from loadtest.open_loop.generator import Load

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
_FOR_P99 = 0.99

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
        """What was measured at a rate, held against the goal."""
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
        """The highest rate that held p99 under the goal, below every rate that did not hold it; None: no rate did."""
        broken = min((point.rate_per_second for point in self.points if not point.within_goal), default=None)
        held = [
            p.rate_per_second for p in self.points if p.within_goal and (broken is None or p.rate_per_second < broken)
        ]
        return max(held, default=None)


async def trace(name: str, measure: Measure, goal_p99_ms: float, start_rate: float, closeness: float = 0.1) -> Curve:
    """The curve of a target, until the highest good and the lowest bad rate are within `closeness` of each other.

    A rate misses the goal when it misses it twice: a machine's one hiccup of 100 ms is 1 % of ten seconds. The better
    try is the point, and says that there were two. A `start_rate` that misses already is halved, down to 1 a second.
    """
    curve = Curve(name, goal_p99_ms)

    async def holds(rate: float) -> bool:
        load, tries = await measure(rate), 1
        if load.latency_ms(_FOR_P99) > goal_p99_ms:
            load, tries = min(load, await measure(rate), key=lambda one: one.latency_ms(_FOR_P99)), 2
        point = Point.of(rate, load, goal_p99_ms, tries)
        curve.points = sorted([*curve.points, point], key=lambda one: one.rate_per_second)
        return point.within_goal

    good, bad = await _bracket(holds, start_rate)
    while good and bad / good > 1 + closeness:
        middle = (good + bad) / 2
        if await holds(middle):
            good = middle
        else:
            bad = middle
    return curve


async def _bracket(holds: Callable[[float], Awaitable[bool]], start_rate: float) -> tuple[float, float]:
    """A rate that holds (0 where not even the slowest does) and twice it, which does not."""
    if await holds(start_rate):
        rate = start_rate
        while await holds(2 * rate):
            rate *= 2
        return rate, 2 * rate
    rate = start_rate / 2
    while rate >= 1:
        if await holds(rate):
            return rate, 2 * rate
        rate /= 2
    return 0.0, 2 * rate


def _percentile(load: Load, share: float) -> float | None:
    if len(load.samples) * (1 - share) < 1 - 1e-6:  # p99.9 of fewer than 1000 requests
        return None
    value = load.latency_ms(share)
    return value if value != float("inf") else None
