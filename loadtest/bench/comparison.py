"""Ours against a reference, measured alternately, and whether the goal is reached. Plain numbers: no I/O, no clocks."""

import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeVar

from loadtest.closed_loop.chat_overhead import percentile

T = TypeVar("T")
S = TypeVar("S")


class Verdict(StrEnum):
    """What the median says of the goal."""

    MET = "met"
    MISSED = "missed"
    NOT_MEASURABLE = "not measurable here"
    NO_GOAL = "reported"


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on ours / reference (`ratio`), or on ours - reference (`added`), and the cores it needs to make sense."""

    of: Literal["ratio", "added"]
    least: float | None = None
    most: float | None = None
    cores: int = 1

    def holds(self, value: float) -> bool:
        """Whether `value` is within the bounds, which belong to it."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def text(self, unit: str) -> str:
        """For the table: ratio ≥ 0.6, added ≤ 1 ms."""
        bounds = [f"{sign} {bound:g}" for sign, bound in (("≥", self.least), ("≤", self.most)) if bound is not None]
        return f"{self.of} {' and '.join(bounds)}{f' {unit}' if self.of == 'added' else ''}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of both sides: `ours[i]` and `reference[i]` were measured one right after the other."""

    name: str
    unit: str
    ours: tuple[float, ...]
    reference: tuple[float, ...]
    goal: Goal | None = None
    conditions: str = ""
    larger_is_better: bool | None = None
    """of the ratio, where no goal says it; None: unless the unit is one of time"""

    def __post_init__(self) -> None:
        if not self.ours or len(self.ours) != len(self.reference):
            raise ValueError(f"{self.name}: {len(self.ours)} and {len(self.reference)} rounds are not pairs")

    @property
    def ratios(self) -> list[float]:
        """Of each pair."""
        return [ours / reference for ours, reference in zip(self.ours, self.reference, strict=True)]

    @property
    def added(self) -> list[float]:
        """Of each pair, in `unit`."""
        return [ours - reference for ours, reference in zip(self.ours, self.reference, strict=True)]

    @property
    def goal_text(self) -> str | None:
        """The goal in words; None without one."""
        return self.goal.text(self.unit) if self.goal else None

    @property
    def more_is_better(self) -> bool:
        """Whether a larger figure is the better one; a row without a goal has a direction, too."""
        if self.goal is not None:
            return self.goal.least is not None
        return self.unit != "ms" if self.larger_is_better is None else self.larger_is_better

    @property
    def judged(self) -> "Spread":
        """What the goal bounds: the ratios, or the differences where it says so."""
        return Spread.of(self.added if self.goal is not None and self.goal.of == "added" else self.ratios)

    def verdict(self, cores: int) -> Verdict:
        """The median of the pairs against the goal, on a machine with `cores`."""
        if self.goal is None:
            return Verdict.NO_GOAL
        if cores < self.goal.cores:
            return Verdict.NOT_MEASURABLE
        return Verdict.MET if self.goal.holds(self.judged.median) else Verdict.MISSED


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and the range that holds four fifths of the values."""

    p10: float
    median: float
    p90: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Of at least one value."""
        return cls(percentile(values, 0.1), statistics.median(values), percentile(values, 0.9))


async def in_turns(
    ours: Callable[[], Awaitable[T]], reference: Callable[[], Awaitable[S]], rounds: int
) -> list[tuple[T, S]]:
    """Pairs (ours, reference). The side that goes first changes every round, so that a drift hits both alike."""
    pairs = []
    for i in range(rounds):
        if i % 2:
            second = await reference()
            pairs.append((await ours(), second))
        else:
            pairs.append((await ours(), await reference()))
    return pairs


def rounded(value: float, digits: int = 3) -> str:
    """So many digits that count, written out: 1,020 for 1023.4."""
    return f"{float(f'{value:.{digits}g}'):,.12g}"
