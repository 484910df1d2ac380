"""A scorer behind an adaptive concurrency limit. Rows of a batch are not limited: they wait, and are sent last."""

from gateway.domain.query import Priority
from gateway.domain.scorer import Bundle, Scored, Scorer
from gateway.errors import ScorerError, ScorerOverloadedError, ScorerTimeoutError
from gateway.limits.adaptive_limit import AdaptiveLimit


class LimitedScorer:
    """Scores through `scorer` what `limit` admits."""

    def __init__(self, scorer: Scorer, limit: AdaptiveLimit) -> None:
        self._scorer = scorer
        self._limit = limit

    @property
    def bundle(self) -> Bundle:
        """The inner scorer's bundle."""
        return self._scorer.bundle

    async def score(self, query: str, deadline: float, priority: Priority = Priority.INTERACTIVE) -> Scored:
        """See `Scorer.score`.

        Raises:
            ConcurrencyLimitError: as many single queries are in flight as are answered in time.
        """
        if priority is Priority.BATCH:
            return await self._scorer.score(query, deadline, priority)
        started = self._limit.acquire()
        try:
            scored = await self._scorer.score(query, deadline, priority)
        except BaseException as error:
            self._limit.release()
            if isinstance(error, ScorerError):
                self._limit.failed(started, did_drop=isinstance(error, ScorerTimeoutError | ScorerOverloadedError))
            raise
        self._limit.release()
        self._limit.answered(started)
        return scored
