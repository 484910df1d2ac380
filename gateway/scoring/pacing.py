"""Pacing: when another batch may leave, and how long its answer is likely to take."""

SMOOTHING = 0.2
"""Weight of the newest answer in the estimate."""


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
    """How many rows of batches are in flight for each scorer, so that a single query that comes just then waits little.

    Learned from answers: doubled while as many rows as that are answered in time, cut in proportion to how late they
    are. A fast scorer soon gets full batches, a slow one few rows at a time.
    """

    def __init__(self, target_seconds: float, initial_rows: int) -> None:
        """Starts at `initial_rows`; `target_seconds` is the time in which they are to be answered."""
        self.rows = initial_rows
        self._target_seconds = target_seconds

    def observe(self, rows: int, seconds: float) -> None:
        """A batch with `rows` queries was answered after `seconds`."""
        if seconds > self._target_seconds:
            self.rows = max(1, min(self.rows, int(rows * self._target_seconds / seconds)))
        elif rows >= self.rows:
            self.rows = 2 * rows


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
