import asyncio
import time
from dataclasses import replace

import pytest

from gateway.config.groups import Cache
from gateway.errors import ScorerFailedError, ScorerTimeoutError
from gateway.scoring.cache import ScoreCache
from gateway.telemetry.unlocked_metrics import Tally
from tests.support.fakes.scorer import BUNDLE, FakeScorer
from tests.support.waiting import until
from tests.unit.gateway.scoring.behind_cache import behind_cache


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def soon() -> float:
    return time.monotonic() + 5


async def test_the_second_time_comes_from_the_cache() -> None:
    scorer, hits, misses = FakeScorer(), Tally(), Tally()
    cached = behind_cache(scorer, hits=hits, misses=misses)
    first, second = await cached.score("q", soon()), await cached.score("q", soon())
    assert (first.cached, second.cached, second.scores) == (False, True, first.scores)
    assert (scorer.batches, hits.count, misses.count) == ([["q"]], 1, 1)


async def test_every_query_of_a_batch_is_kept_under_its_own_text() -> None:
    scorer = FakeScorer(values={"a": (1, 0, 0), "b": (0, 1, 0), "c": (0, 0, 1)})
    cached = behind_cache(scorer)
    first = await asyncio.gather(*(cached.score(query, soon()) for query in "abc"))
    second = [await cached.score(query, soon()) for query in "cab"]
    assert [one.scores.values for one in second] == [(0, 0, 1), (1, 0, 0), (0, 1, 0)]
    assert all(one.cached for one in second)
    assert not any(one.cached for one in first)
    assert scorer.batches == [["a", "b", "c"]]


async def test_an_entry_older_than_its_time_to_live_is_scored_again() -> None:
    clock = Clock()
    cached = behind_cache(FakeScorer(), ScoreCache(Cache(cache_entries=10, cache_ttl_seconds=60), clock=clock))
    await cached.score("q", soon())
    clock.now = 59.9
    assert (await cached.score("q", soon())).cached
    clock.now = 60.0
    assert not (await cached.score("q", soon())).cached
    assert (await cached.score("q", soon())).cached


async def test_the_least_recently_used_entry_goes_first() -> None:
    cache = ScoreCache(Cache(cache_entries=2, cache_ttl_seconds=60))
    cached = behind_cache(FakeScorer(), cache)
    for query in ("a", "b", "a", "c"):
        await cached.score(query, soon())
    assert len(cache) == 2
    assert (await cached.score("a", soon())).cached
    assert not (await cached.score("b", soon())).cached


async def test_a_batch_larger_than_the_cache_leaves_its_last_ones() -> None:
    cache = ScoreCache(Cache(cache_entries=2, cache_ttl_seconds=60))
    cached = behind_cache(FakeScorer(), cache)
    await asyncio.gather(*(cached.score(query, soon()) for query in "abcd"))
    assert [cache.get(query) is not None for query in "abcd"] == [False, False, True, True]


async def test_another_bundle_does_not_get_the_old_ones_scores() -> None:
    scorer = FakeScorer()
    cached = behind_cache(scorer)
    await cached.score("q", soon())
    scorer.bundle = replace(BUNDLE, bundle_id="another")
    assert not (await cached.score("q", soon())).cached
    again = await cached.score("q", soon())
    assert again.cached
    assert again.scores.bundle.bundle_id == "another"


async def test_errors_are_not_kept() -> None:
    scorer = FakeScorer(faults={"q": ScorerFailedError("once")})
    cached = behind_cache(scorer)
    with pytest.raises(ScorerFailedError):
        await cached.score("q", soon())
    scorer.faults.clear()
    assert not (await cached.score("q", soon())).cached


async def test_scores_that_came_too_late_for_who_asked_are_kept_for_the_next() -> None:
    scorer = FakeScorer(cancellable=False, delays_seconds={"q": 0.05})
    cache = ScoreCache(Cache(cache_entries=10, cache_ttl_seconds=60))
    cached = behind_cache(scorer, cache)
    with pytest.raises(ScorerTimeoutError):
        await cached.score("q", time.monotonic() + 0.01)
    await until(lambda: cache.get("q") is not None)
    assert (await cached.score("q", soon())).cached
    assert scorer.batches == [["q"]]


async def test_the_cache_holds_no_prompt() -> None:
    cache = ScoreCache(Cache(cache_entries=10, cache_ttl_seconds=60))
    await behind_cache(FakeScorer(), cache).score("a secret prompt", soon())
    assert len(cache) == 1
    assert "secret" not in repr(vars(cache))
