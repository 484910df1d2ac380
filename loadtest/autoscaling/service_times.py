"""How long a Triton pod with one core computes a batch, as `measure` found it."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

from routerdc_contract.yaml_model import load_yaml

MEASURED = Path(__file__).with_name("measured.yaml")


@dataclass(frozen=True)
class ServiceTimes:
    """Seconds for a batch of each number of queries, from one query on."""

    seconds: tuple[float, ...]
    """seconds[n - 1] for n queries"""

    @classmethod
    def between(cls, points: dict[int, float]) -> Self:
        """Linear between measured sizes; `points`: queries → seconds, one query among them.

        Raises:
            ValueError: there is no point for one query.
        """
        if min(points, default=0) != 1:
            raise ValueError("service times need a point for a batch of one query")
        sizes = sorted(points)
        seconds = [points[1]]
        for low, high in pairwise(sizes):
            step = (points[high] - points[low]) / (high - low)
            seconds += [points[low] + step * i for i in range(1, high - low + 1)]
        return cls(tuple(seconds))

    @classmethod
    def read(cls, file: Path = MEASURED) -> Self:
        """What `python -m loadtest.autoscaling.measure` wrote."""
        measured = load_yaml(file)
        return cls.between({rows: rows * ms / 1e3 for rows, ms in measured["cpu_ms_per_query"].items()})

    def of(self, queries: int) -> float:
        """Seconds for a batch of so many queries."""
        return self.seconds[queries - 1]

    def slower(self, factor: float) -> Self:
        """The same on cores so many times slower."""
        return type(self)(tuple(seconds * factor for seconds in self.seconds))

    @property
    def max_batch(self) -> int:
        """Largest batch that was measured."""
        return len(self.seconds)

    @property
    def capacity(self) -> float:
        """Queries a second of a pod that computes full batches without a pause."""
        return max((i + 1) / seconds for i, seconds in enumerate(self.seconds))
