"""How a run is going: answers, dollars, rate and time left."""

import sys
import time
from collections import Counter
from collections.abc import Callable

from labelling.asking.budget import Budget
from labelling.store.records import Answer

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Counts what comes in and says so: one line that is written over on a terminal, else a line from time to time."""

    def __init__(self, total: int, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        """`total`: cells to ask."""
        self.total, self.done, self.missing = total, 0, Counter[str]()
        self._budget, self._clock = budget, clock
        self._begun = self._last = clock()
        self._spent_before = budget.spent

    def add(self, answer: Answer) -> None:
        """One cell is finished."""
        self.done += 1
        if answer.missing:
            self.missing[answer.missing] += 1
        pause = 0.2 if sys.stderr.isatty() else SECONDS_BETWEEN_LINES
        if self._clock() - self._last >= pause:
            self._last = self._clock()
            self.show("\r" if sys.stderr.isatty() else "\n")

    def show(self, end: str = "\n") -> None:
        """Writes the present state to stderr."""
        sys.stderr.write(f"{self.line()}{end}")
        sys.stderr.flush()

    def line(self) -> str:
        """The present state."""
        seconds = max(self._clock() - self._begun, 1e-6)
        rate = self.done / seconds
        spent = self._budget.spent - self._spent_before
        parts = [f"{self.done:,} of {self.total:,} answers", f"${spent:.4f}{self._limit()}"]
        if self.done:
            left = (self.total - self.done) / rate
            parts += [f"about ${spent * self.total / self.done:.4f} in all", f"{rate:.1f}/s", f"{_time(left)} left"]
        if missing := sum(self.missing.values()):
            parts.append(f"{missing:,} missing")
        return " · ".join(parts)

    def _limit(self) -> str:
        return "" if self._budget.limit is None else f" of ${self._budget.limit - self._spent_before:.4f}"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
