"""Counters and histograms of what happens with every query, for Prometheus.

prometheus_client's own take a lock and several calls for each write, which was 3 % of the gateway's time for a query.
Here only the event loop writes, so a write is an addition; a scrape reads in another thread. What happens rarely
or in threads, and gauges, are the library's.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import INF, floatToGoString


class Tally:
    """A bare count, for hot paths that count without a call: `tally.count += 1`."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def as_sample(self) -> tuple[int]:
        """As it is now."""
        return (self.count,)


class Distribution:
    """How often values came, by bucket: `bounds` ascend, and a value that equals one belongs below it."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """It came once more."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def as_sample(self) -> tuple[list[tuple[str, float]], float]:
        """Bounds and how many values are not above each, then the sum of all."""
        bounds = map(floatToGoString, (*self._bounds, INF))
        return list(zip(bounds, accumulate(self._counts), strict=True)), self._sum


T = TypeVar("T", bound=Tally | Distribution)


class _ByLabels(Collector, Generic[T]):
    """One `T` for each of the labels' values that was asked for; there from then on, whether it was counted or not."""

    def __init__(self, family: Callable[[], Any], new: Callable[[], T], registry: CollectorRegistry) -> None:
        self._family = family
        self._series = defaultdict[tuple[str, ...], T](new)
        registry.register(self)

    def of(self, *labels: str) -> T:
        """Where to count what has these labels."""
        return self._series[labels]

    def collect(self) -> Iterator[Metric]:
        """As it is now."""
        family = self._family()
        for labels, one in list(self._series.items()):
            family.add_metric(labels, *one.as_sample())
        yield family


class UnlockedCounter(_ByLabels[Tally]):
    """Tallies as a counter."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        super().__init__(partial(CounterMetricFamily, name, documentation, labels=labels), Tally, registry)


class UnlockedHistogram(_ByLabels[Distribution]):
    """Distributions over the buckets that `bounds` make as a histogram."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        family = partial(HistogramMetricFamily, name, documentation, labels=labels)
        super().__init__(family, partial(Distribution, bounds), registry)
