"""Counters and histograms of what happens with every query, for Prometheus.

prometheus_client's own take a lock and several calls for each write, which was 3 % of the gateway's time for a query.
Here only the event loop writes, so a write is an addition; whoever scrapes reads in another thread. What happens rarely
or in threads, and gauges, are the library's.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import INF, floatToGoString

_Labels = tuple[str, ...]


class Tally:
    """How many there were, for whoever counts without even a call: `tally.count += 1`."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class UnlockedCounter(Collector):
    """A tally for each of the labels' values that was asked for."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._described = (name, documentation, labels)
        self._tallies = defaultdict[_Labels, Tally](Tally)
        registry.register(self)

    def of(self, *labels: str) -> Tally:
        """Where to count what has these labels."""
        return self._tallies[labels]

    def collect(self) -> Iterator[CounterMetricFamily]:
        """As it is now."""
        name, documentation, label_names = self._described
        family = CounterMetricFamily(name, documentation, labels=label_names)
        for labels, tally in list(self._tallies.items()):
            family.add_metric(labels, tally.count)
        yield family


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


class UnlockedHistogram(Collector):
    """A distribution for each of `known`, the values of its labels; without labels a single one."""

    def __init__(
        self,
        name: str,
        documentation: str,
        bounds: Sequence[float],
        registry: CollectorRegistry,
        labels: Sequence[str] = (),
        known: Sequence[_Labels] = ((),),
    ) -> None:
        self._described = (name, documentation, labels)
        self._distributions = {one: Distribution(bounds) for one in known}
        registry.register(self)

    def of(self, *labels: str) -> Distribution:
        """Where to write what has these labels, which must be known."""
        return self._distributions[labels]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """As it is now."""
        name, documentation, label_names = self._described
        family = HistogramMetricFamily(name, documentation, labels=label_names)
        for labels, distribution in self._distributions.items():
            family.add_metric(labels, *distribution.as_sample())
        yield family
