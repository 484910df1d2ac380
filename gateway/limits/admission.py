"""Bounded admission: a query over the limit is refused at once, never queued.

Everything behind it (queues, cache, tasks) is bounded by the same number.
"""

from gateway.errors import OverloadedError


class Admission:
    """Counts the queries in flight."""

    def __init__(self, limit: int, retry_after_seconds: float) -> None:
        self._limit = limit
        self._retry_after_seconds = retry_after_seconds
        self.in_flight = 0

    def take(self, queries: int) -> None:
        """Takes `queries` slots, until they are given back.

        Raises:
            OverloadedError: fewer are free; none is taken.
        """
        if self.in_flight + queries > self._limit:
            raise OverloadedError(self._limit, self._retry_after_seconds)
        self.in_flight += queries

    def give_back(self, queries: int) -> None:
        """As many as were taken."""
        self.in_flight -= queries
