"""Token bucket: a steady rate with bursts, in constant memory and without timers."""

import time
from collections.abc import Callable


class TokenBucket:
    """Refills `per_second` tokens a second, up to `burst`."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_second = per_second
        self.burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._counted = clock()

    def take(self, tokens: int) -> float:
        """Takes `tokens` and returns 0, or takes none and returns the seconds after which they are there.

        More than `burst` at once are given when the bucket is full, and paid back before the next are: so a large
        batch is late, but never impossible.
        """
        now = self._clock()
        self._tokens = min(float(self.burst), self._tokens + (now - self._counted) * self.per_second)
        self._counted = now
        missing = min(tokens, self.burst) - self._tokens
        if missing > 0:
            return missing / self.per_second
        self._tokens -= tokens
        return 0.0
