"""A scorer whose delays and faults a test writes down: `Scorer` and `BatchScorer` in one."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.domain.query import Priority
from gateway.domain.scorer import Bundle, Scored, Scores
from gateway.errors import ScorerTimeoutError

BUNDLE = Bundle("0123456789abcdef", ("alpha", "beta", "gamma"))


@dataclass
class FakeScorer:
    """Scores (0.5, 0.9, 0.1) unless `values` has others for a query; `faults` and `delays_seconds` go by query too."""

    bundle: Bundle = BUNDLE
    cancellable: bool = True
    values: dict[str, tuple[float, ...]] = field(default_factory=dict)
    familiarity: dict[str, float] = field(default_factory=dict)
    faults: dict[str, BaseException] = field(default_factory=dict)
    delays_seconds: dict[str, float] = field(default_factory=dict)
    batches: list[list[str]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    async def score(self, query: str, deadline: float, priority: Priority = Priority.INTERACTIVE) -> Scored:
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return Scored((await self.score_batch([query]))[0], score_ns=1)
        except TimeoutError:
            raise ScorerTimeoutError("too late") from None

    async def score_batch(self, queries: Sequence[str]) -> list[Scores]:
        self.batches.append(list(queries))
        try:
            await asyncio.sleep(max(self.delays_seconds.get(query, 0.0) for query in queries))
        except asyncio.CancelledError:
            self.cancelled += queries
            raise
        for query in queries:
            if query in self.faults:
                raise self.faults[query]
        return [self._scores(query) for query in queries]

    def _scores(self, query: str) -> Scores:
        values = self.values.get(query, (0.5, 0.9, 0.1))
        return Scores(self.bundle, values, len(query), truncated=False, familiarity=self.familiarity.get(query))
