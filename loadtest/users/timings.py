"""Where the time of calls went: what callers saw, and the stages that the gateway's answers tell, side by side.

Locust keeps latencies in whole milliseconds and knows one figure for each call. Here they are kept to 2 %, from
nanoseconds on, and travel from workers to the master with locust's own statistics.
"""

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from routerdc_contract.v1 import router_pb2 as pb

CLIENT = "client"
_STEP = math.log(1.02)

Key = tuple[str, str]  # request, stage


class Row(NamedTuple):
    """Percentiles of one stage of one kind of request."""

    request: str
    stage: str
    calls: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


class Timings:
    """Histograms by request and stage, in buckets that are 2 % wide."""

    def __init__(self) -> None:
        self._buckets: defaultdict[Key, Counter[int]] = defaultdict(Counter)

    def add(self, request: str, stage: str, nanoseconds: int) -> None:
        """One figure; those that are not above 0 are stages that did not take place."""
        if nanoseconds > 0:
            self._buckets[request, stage][round(math.log(nanoseconds) / _STEP)] += 1

    def add_stages(self, request: str, stages: pb.StageTimings) -> None:
        """What an answer tells."""
        self.add(request, "gateway total", stages.total_ns)
        self.add(request, "gateway queue", stages.queue_ns)
        self.add(request, "scorer round trip", stages.score_ns)
        self.add(request, "policy", stages.policy_ns)

    def clear(self) -> None:
        """For a new test."""
        self._buckets.clear()

    def taken(self) -> list[tuple[str, str, dict[int, int]]]:
        """Everything since the last time, for the master; nothing is left."""
        taken = [(request, stage, dict(buckets)) for (request, stage), buckets in self._buckets.items()]
        self._buckets.clear()
        return taken

    def merge(self, taken: list[tuple[str, str, dict[int, int]]]) -> None:
        """What a worker has `taken`."""
        for request, stage, buckets in taken:
            self._buckets[request, stage].update(buckets)

    def rows(self) -> Iterator[Row]:
        """By request; what callers saw stands before the stages."""
        for request, stage in sorted(self._buckets, key=lambda key: (key[0], key[1] != CLIENT, key[1])):
            buckets = self._buckets[request, stage]
            yield Row(
                request, stage, buckets.total(), *(_percentile(buckets, share) for share in (0.5, 0.95, 0.99, 0.999, 1))
            )


TIMINGS = Timings()
"""Of this process: locust runs one test in a process."""


def write_csv(file: Path, timings: Timings) -> None:
    """A line for each row."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(Row._fields)
        writer.writerows((*row[:3], *(f"{value:.4g}" for value in row[3:])) for row in timings.rows())


def _percentile(buckets: Counter[int], share: float) -> float:
    wanted, seen = share * buckets.total(), 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= wanted:
            return math.exp(bucket * _STEP) / 1e6
    return 0.0
