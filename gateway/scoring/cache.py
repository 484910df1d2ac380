"""Exact-match cache of scores: asked before the coalescer, which fills it with what Triton has scored.

Scores depend on query and bundle only, so policy stays outside. They are kept with the bundle that gave them, and count
while that one is in use: a miss need not know which that is. Scores are kept even if the caller has left. The coalescer
joins identical queries in flight.

The key is Python's own hash of the text, 64 bits under a secret of the process: nobody can look for two queries with
the same one, and by chance one lookup in 10¹⁴ finds another query's scores. The cache holds no prompt, its size in
bytes is bounded by its number of entries, and a miss costs next to nothing.
"""

import time
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.config.groups import Cache
from gateway.domain.expiring_lru import ExpiringLru
from gateway.domain.query import Priority
from gateway.domain.scorer import Bundle, Scored, Scorer, Scores
from gateway.telemetry.unlocked_metrics import Tally


class ScoreCache:
    """Scores by the hash of the query."""

    def __init__(self, limits: Cache, clock: Callable[[], float] = time.monotonic) -> None:
        self._scores: ExpiringLru[int, Scores] = ExpiringLru(
            max_entries=limits.cache_entries, ttl_seconds=limits.cache_ttl_seconds, clock=clock
        )

    def __len__(self) -> int:
        return len(self._scores)

    def get(self, query: str) -> Scores | None:
        """Scores of `query`, whichever bundle gave them; None where there are none, or they are too old."""
        return self._scores.get(hash(query))

    def put(self, query: str, scores: Scores) -> None:
        """Keeps `scores` for `query`."""
        self._scores.put(hash(query), scores)


class CacheLookup:
    """A scorer that asks the cache first."""

    def __init__(self, cache: ScoreCache, scorer: Scorer, hits: Tally, misses: Tally) -> None:
        """Counts its lookups in `hits` and `misses`."""
        self._cache = cache
        self._scorer = scorer
        self._hits = hits
        self._misses = misses

    @property
    def bundle(self) -> Bundle:
        """The inner scorer's bundle."""
        return self._scorer.bundle

    def score(
        self, query: str, deadline: float, priority: Priority = Priority.INTERACTIVE
    ) -> Coroutine[Any, Any, Scored]:
        """The cached scores of `query`, or the inner scorer's. No coroutine of its own: a miss would pay for it."""
        scores = self._cache.get(query)
        if scores is None or scores.bundle.bundle_id != self._scorer.bundle.bundle_id:
            self._misses.count += 1
            return self._scorer.score(query, deadline, priority)
        self._hits.count += 1
        return _at_once(Scored(scores, cached=True))


async def _at_once(scored: Scored) -> Scored:
    return scored
