"""What every benchmark is given: parts to start, what to serve, queries to ask, and how much work to do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from loadtest.bench.comparison import Comparison, in_turns
from loadtest.requests.query_stream import Supply
from loadtest.servers.servers import Parts

T = TypeVar("T")
S = TypeVar("S")


class Subject(NamedTuple):
    """A bundle, and the model repository that was exported from it."""

    name: str
    bundle: Path
    repository: Path


@dataclass(frozen=True, slots=True)
class Effort:
    """`scale` below 1 makes rounds that show no more than that everything works."""

    rounds: int
    scale: float = 1.0

    def of(self, full: int) -> int:
        """That share of the calls of a full round, at least two."""
        return max(2, round(full * self.scale))


@dataclass(frozen=True, slots=True)
class Setting:
    """`data`: test sets with scores, by which routed quality is judged; it may not be there."""

    parts: Parts
    shipped: Subject
    full_depth: Subject
    queries: Supply
    data: Path
    effort: Effort

    async def in_turns(
        self, ours: Callable[[], Awaitable[T]], reference: Callable[[], Awaitable[S]], times: int = 1
    ) -> list[tuple[T, S]]:
        """Pairs (ours, reference), `times` as many as there are rounds: small differences need more."""
        return await in_turns(ours, reference, self.effort.rounds * times)


Benchmark = Callable[[Setting], list[Comparison]]
