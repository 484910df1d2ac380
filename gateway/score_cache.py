"""Exact-match cache of scores, a scorer in front of another scorer.

Scores depend on query and bundle only, so policy stays outside. They are kept under the query's hash with the bundle
that gave them, and count while that one is in use: a miss need not know which that is. The cache holds no prompt, and
its size in bytes is bounded by its number of entries. Identical queries in flight are the coalescer's business.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

from gateway.scorer import Bundle, Scored, Scorer, Scores

_Digest = bytes


class ScoreCache:
    """Least recently used entries go first; none is older than `ttl_seconds`."""

    def __init__(
        self,
        scorer: Scorer,
        *,
        max_entries: int,
        ttl_seconds: float,
        observe: Callable[[bool], None] = lambda hit: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scorer = scorer
        self._max_entries = max_entries
        self._ttl_seconds = ttl_seconds
        self._observe = observe
        self._clock = clock
        self._entries: OrderedDict[_Digest, tuple[float, Scores]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bundle(self) -> Bundle:
        """The inner scorer's bundle."""
        return self._scorer.bundle

    async def score(self, query: str, deadline: float) -> Scored:
        """The cached scores of `query`, or the inner scorer's (whose errors pass through and are not kept)."""
        digest = blake2b(query.encode(), digest_size=16).digest()
        scores = self._get(digest)
        self._observe(scores is not None)
        if scores is not None:
            return Scored(scores, cached=True)
        scored = await self._scorer.score(query, deadline)
        self._put(digest, scored.scores)
        return scored

    def _get(self, digest: _Digest) -> Scores | None:
        entry = self._entries.get(digest)
        if entry is None:
            return None
        expires, scores = entry
        if self._clock() >= expires or scores.bundle.bundle_id != self.bundle.bundle_id:
            del self._entries[digest]
            return None
        self._entries.move_to_end(digest)
        return scores

    def _put(self, digest: _Digest, scores: Scores) -> None:
        self._entries[digest] = (self._clock() + self._ttl_seconds, scores)
        self._entries.move_to_end(digest)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
