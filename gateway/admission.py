"""Bounded admission: a query over the limit is refused at once, never queued.

Everything behind it (queues, cache, tasks) is bounded by the same number.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import OverloadedError


class Admission:
    """Counts the queries in flight."""

    def __init__(self, limit: int, retry_after_seconds: float) -> None:
        self._limit = limit
        self._retry_after_seconds = retry_after_seconds
        self.in_flight = 0

    @contextmanager
    def slots(self, queries: int) -> Iterator[None]:
        """Holds `queries` slots while the block runs.

        Raises:
            OverloadedError: fewer are free; none is taken.
        """
        if self.in_flight + queries > self._limit:
            raise OverloadedError(self._limit, self._retry_after_seconds)
        self.in_flight += queries
        try:
            yield
        finally:
            self.in_flight -= queries
