"""Adaptive concurrency limit (AIMD): how many queries may be scored at once, learned from how long scoring takes.

Additive increase, multiplicative decrease, as in TCP: an answer within the target raises the limit, a late or dropped
one multiplies it by a back-off ratio. Queries above the limit are rejected immediately, which keeps the latency of
admitted queries near its unloaded value. A scorer that has stopped answering altogether is not overloaded but down;
then nothing is rejected, because the default LLM is the better answer.
"""

import time
from collections.abc import Callable

from gateway.errors import ConcurrencyLimitError

_MAX_INCREASE = 0.1  # per answer; where three queries fit at once, one more in each round would be far too many
_DOWN_AFTER_SECONDS = 1.0  # with failures and without a single answer


class AdaptiveLimit:
    """Keeps the latency of what it admits near `target_seconds`."""

    def __init__(
        self,
        *,
        target_seconds: float,
        max_limit: int,
        min_limit: int = 1,
        initial_limit: int = 8,
        backoff_ratio: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts at `initial_limit`.

        Args:
            target_seconds: an answer that takes longer means that too many are in flight.
            max_limit: the limit never grows beyond it.
            min_limit: the limit never shrinks below it.
            initial_limit: where learning begins; the first late answer ends the fast start.
            backoff_ratio: the smallest factor by which one late or dropped answer shrinks the limit.
            clock: gives seconds.
        """
        self._target_seconds = target_seconds
        self._max_limit = float(max_limit)
        self._min_limit = float(min_limit)
        self._backoff_ratio = backoff_ratio
        self._clock = clock
        self._failed = False  # since the last answer
        self._last_answer = clock()
        self._last_backoff: float | None = None
        self.limit = min(float(initial_limit), self._max_limit)
        self.in_flight = 0

    def acquire(self) -> float:
        """Admits one query and returns when it started, which `answered` and `failed` ask for.

        Raises:
            ConcurrencyLimitError: the limit is reached.
        """
        now = self._clock()
        if self.in_flight + 1 > self.limit and not self._is_down(now):
            raise ConcurrencyLimitError(int(self.limit), self._target_seconds)
        self.in_flight += 1
        return now

    def release(self) -> None:
        """The query has left, however it ended; call it before saying how."""
        self.in_flight -= 1

    def answered(self, started: float) -> None:
        """The query that started at `started` was answered."""
        now = self._clock()
        self._last_answer, self._failed = now, False
        seconds = now - started
        if seconds > self._target_seconds:
            self._back_off(started, max(self._backoff_ratio, self._target_seconds / seconds))
        elif self.in_flight + 2 > self.limit:  # only a limit that was reached has proved itself
            step = 1.0 if self._last_backoff is None else min(_MAX_INCREASE, 1 / self.limit)
            self.limit = min(self._max_limit, self.limit + step)

    def failed(self, started: float, *, did_drop: bool) -> None:
        """The query got no answer. `did_drop`: for lack of time or room, which an overload would explain."""
        self._failed = True
        if did_drop and not self._is_down(self._clock()):
            self._back_off(started, self._backoff_ratio)

    def _is_down(self, now: float) -> bool:
        return self._failed and now - self._last_answer > _DOWN_AFTER_SECONDS

    def _back_off(self, started: float, ratio: float) -> None:
        """Shrinks the limit once per round: a query that began before the last back-off cannot show its effect."""
        if self._last_backoff is None or started >= self._last_backoff:
            self.limit = max(self._min_limit, min(self.limit, self.in_flight + 1.0) * ratio)
            self._last_backoff = self._clock()
