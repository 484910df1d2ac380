"""Pacing: when another batch may leave, and how long its answer is likely to take."""

import math

SMOOTHING = 0.2
"""Weight of the newest answer in the estimate."""
_QUIET_SECONDS = 1.0


class AnswerTime:
    """Estimates the seconds from sending a batch to its answer, as an exponential moving average."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        """A batch was answered after `seconds`."""
        self.seconds += SMOOTHING * (seconds - self.seconds)

    def observe_at_least(self, seconds: float) -> None:
        """A batch was given up after `seconds`; its answer would have taken longer still."""
        self.seconds = max(self.seconds, seconds)


class RowLimit:
    """How many rows of batches are in flight for each scorer: a slice that is answered within a target time.

    A single query that comes while a slice is scored waits for its end, so slices are short while single queries come,
    and longer, which costs the scorer less, when there were none for a second. Learned from answers: as many rows as
    would have taken the target time, though never more than twice as many as before.
    """

    def __init__(self, beside_singles_seconds: float, alone_seconds: float, initial_rows: int) -> None:
        """Starts at `initial_rows`; the times are the targets while single queries come, and while none do."""
        self.rows = initial_rows
        self._beside_singles_seconds = beside_singles_seconds
        self._alone_seconds = alone_seconds
        self._last_single = -math.inf

    def single(self, now: float) -> None:
        """A single query came."""
        self._last_single = now

    def observe(self, rows: int, seconds: float, now: float) -> None:
        """A slice of `rows` was answered after `seconds`."""
        alone = now - self._last_single > _QUIET_SECONDS
        target_seconds = self._alone_seconds if alone else self._beside_singles_seconds
        in_time = 2 * rows if 2 * seconds < target_seconds else max(1, int(rows * target_seconds / seconds))
        if seconds > target_seconds:
            self.rows = min(self.rows, in_time)
        elif rows >= self.rows:
            self.rows = in_time


def has_room(*, batches: int, queries: int, scorers: int, window: int) -> bool:
    """Whether another batch may leave.

    Each scorer always has a batch, so that it never idles while there is work, and is sent more while fewer than
    `window` queries are in flight for it. Beyond that queries gather, so that a scorer that falls behind gets few large
    batches.

    Args:
        batches: in flight.
        queries: in flight, in those batches.
        scorers: how many score side by side.
        window: queries for each of them.
    """
    return batches < scorers or queries < window * scorers
