"""What one gRPC call may ask for, and how long it may take."""

import time
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What RouteStream may hold: read, and not yet answered and taken by the caller."""

    max_in_flight: int = 64  # requests in one stream
    max_bytes: int = 1024 * 1024  # of those requests; a single larger one is read alone
    max_streams: int = 32  # open at once for one caller


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of all calls."""

    deadline_seconds: float
    batch_deadline_seconds: float
    deadline_reserve_seconds: float
    max_query_bytes: int
    max_batch_queries: int
    streams: StreamLimits = field(default_factory=StreamLimits)

    def check_batch(self, queries: int) -> None:
        """Refuses a batch that is too long.

        Raises:
            InvalidRequestError: it has more than `max_batch_queries`.
        """
        if queries > self.max_batch_queries:
            raise InvalidRequestError(
                "requests", f"{queries} queries, the limit is {self.max_batch_queries}: split the batch"
            )

    def deadline(self, context: Any) -> float:
        """When a single query has to be decided (of `time.monotonic()`)."""
        return self.deadline_of(context.time_remaining())

    def deadline_of(self, remaining_seconds: float | None) -> float:
        """The same for a caller who waits `remaining_seconds`; None: as long as it takes."""
        return self._deadline(remaining_seconds, self.deadline_seconds)

    def batch_deadline(self, context: Any) -> float:
        """When a batch has to be decided."""
        return self._deadline(context.time_remaining(), self.batch_deadline_seconds)

    def _deadline(self, remaining: float | None, seconds: float) -> float:
        """`seconds` from now, or less where the caller will be gone by then."""
        if remaining is not None:
            seconds = min(seconds, remaining - self.deadline_reserve_seconds)
        return time.monotonic() + seconds
