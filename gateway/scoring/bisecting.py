"""Bisection: a batch that is refused because of one of its queries is split until that query stands alone."""

import asyncio
from collections.abc import Sequence

from gateway.domain.scorer import BatchScorer, Bundle, Scores
from gateway.errors import InvalidRequestError


class BisectingScorer:
    """Scores batches through `scorer`; a bad query fails alone, and its neighbours are answered."""

    def __init__(self, scorer: BatchScorer) -> None:
        self._scorer = scorer

    @property
    def bundle(self) -> Bundle:
        """The inner scorer's bundle."""
        return self._scorer.bundle

    @property
    def cancellable(self) -> bool:
        """See `BatchScorer.cancellable`."""
        return self._scorer.cancellable

    async def outcomes(self, queries: Sequence[str]) -> Sequence[Scores | Exception]:
        """Outcome i belongs to query i: its scores, or the error that it fails with."""
        try:
            return await self._scorer.score_batch(queries)
        except InvalidRequestError as error:
            if len(queries) == 1:
                return [error]
            middle = len(queries) // 2
            left, right = await asyncio.gather(self.outcomes(queries[:middle]), self.outcomes(queries[middle:]))
            return [*left, *right]
        except Exception as error:  # a defect of the scorer included: the callers get it
            return [error] * len(queries)
