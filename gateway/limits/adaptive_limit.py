"""Refuses single queries as soon as scoring takes too long: a scorer in front of a scorer.

How many queries may be under way is found by trying, as in TCP: answers in time let more in (one for each, until the
first late one; afterwards one for each round, or a tenth of them where they are few), a late answer lets fewer in, in
proportion to how late it is. What is over that is refused at once, so that those who are let in are answered about as
fast as without the crowd. Batches have patience and are let in always; the coalescer sends them last. A scorer that
gives no answers at all is no reason to refuse anybody: the default answers.

Does not know Triton, nor what a fallback is.
"""

import time
from collections.abc import Callable

from gateway.domain.scorer import Bundle, Scored, Scorer
from gateway.errors import OverloadedError, ScorerError, ScorerOverloadedError, ScorerTimeoutError

_LEAST = 1.0
_AT_FIRST = 8.0
_LARGEST_INCREASE = 0.1  # for each answer: a whole one more in each round would be far too many where three are right
_LARGEST_DECREASE = 0.5
_DEAD_AFTER_SECONDS = 1.0  # with failures and no answer


class LoadLimit:
    """Keeps the time for scores near `target_seconds`."""

    def __init__(
        self,
        scorer: Scorer,
        *,
        target_seconds: float,
        patience_seconds: float,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Lets some in at first.

        Args:
            scorer: the inner one.
            target_seconds: scores that take longer say that too many queries are under way.
            patience_seconds: queries with more time left than this are of batches.
            most: the limit never grows beyond it.
            clock: gives seconds.
        """
        self._scorer = scorer
        self._target_seconds = target_seconds
        self._patience_seconds = patience_seconds
        self._most = float(most)
        self._clock = clock
        self._failed = False  # since the last answer
        self._answered = clock()
        self._decreased: float | None = None  # when, the last time
        self.limit = min(_AT_FIRST, self._most)
        self.in_flight = 0

    @property
    def bundle(self) -> Bundle:
        """The inner scorer's bundle."""
        return self._scorer.bundle

    async def score(self, query: str, deadline: float) -> Scored:
        """See `Scorer.score`.

        Raises:
            OverloadedError: as many queries are under way as are answered in time.
        """
        began = self._clock()
        if deadline - began > self._patience_seconds:
            return await self._scorer.score(query, deadline)
        if self.in_flight + 1 > self.limit and not self._is_dead(began):
            raise OverloadedError(int(self.limit), self._target_seconds)
        self.in_flight += 1
        try:
            scored = await self._scorer.score(query, deadline)
        except ScorerError as error:
            self._failed = True
            if isinstance(error, ScorerTimeoutError | ScorerOverloadedError) and not self._is_dead(self._clock()):
                self._late(began, _LARGEST_DECREASE)
            raise
        finally:
            self.in_flight -= 1
        self._answered, self._failed = self._clock(), False
        self._learn(began, self._answered)
        return scored

    def _is_dead(self, now: float) -> bool:
        return self._failed and now - self._answered > _DEAD_AFTER_SECONDS

    def _learn(self, began: float, now: float) -> None:
        seconds = now - began
        if seconds > self._target_seconds:
            self._late(began, max(_LARGEST_DECREASE, self._target_seconds / seconds))
        elif self.in_flight + 2 > self.limit:  # it was felt
            more = 1.0 if self._decreased is None else min(_LARGEST_INCREASE, 1 / self.limit)
            self.limit = min(self._most, self.limit + more)

    def _late(self, began: float, factor: float) -> None:
        if self._decreased is None or began >= self._decreased:  # who began before it says nothing about its effect
            self.limit = max(_LEAST, min(self.limit, self.in_flight + 1.0) * factor)
            self._decreased = self._clock()
