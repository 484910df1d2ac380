"""A scorer behind cache and coalescer, stacked as gateway/app/query_path.py does."""

from gateway.config.groups import Cache
from gateway.scoring.bisecting import BisectingScorer
from gateway.scoring.cache import CacheLookup, ScoreCache
from gateway.scoring.coalescer import Coalescer
from gateway.telemetry.unlocked_metrics import Tally
from tests.support.fakes.scorer import FakeScorer


def behind_cache(
    scorer: FakeScorer, cache: ScoreCache | None = None, hits: Tally | None = None, misses: Tally | None = None
) -> CacheLookup:
    """With a cache and tallies of its own if none are given; one batch in flight."""
    cache = ScoreCache(Cache(cache_entries=10, cache_ttl_seconds=60)) if cache is None else cache
    coalescer = Coalescer(
        BisectingScorer(scorer), max_batch=lambda: 8, scorers=lambda: 1, window=1, row_seconds=1, keep=cache.put
    )
    return CacheLookup(cache, coalescer, hits or Tally(), misses or Tally())
