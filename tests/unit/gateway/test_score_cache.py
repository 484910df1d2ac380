import time
from dataclasses import replace

import pytest

from gateway.errors import ScorerFailedError
from gateway.score_cache import ScoreCache
from tests.unit.gateway.fake_scorer import BUNDLE, FakeScorer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def soon() -> float:
    return time.monotonic() + 5


async def test_the_second_time_comes_from_the_cache() -> None:
    scorer, looked_up = FakeScorer(), list[bool]()
    cache = ScoreCache(scorer, max_entries=10, ttl_seconds=60, observe=looked_up.append)
    first, second = await cache.score("q", soon()), await cache.score("q", soon())
    assert (first.cached, second.cached, second.scores) == (False, True, first.scores)
    assert (scorer.batches, looked_up) == ([["q"]], [False, True])


async def test_an_entry_older_than_its_time_to_live_is_scored_again() -> None:
    scorer, clock = FakeScorer(), Clock()
    cache = ScoreCache(scorer, max_entries=10, ttl_seconds=60, clock=clock)
    await cache.score("q", soon())
    clock.now = 59.9
    assert (await cache.score("q", soon())).cached
    clock.now = 60.0
    assert not (await cache.score("q", soon())).cached


async def test_the_least_recently_used_entry_goes_first() -> None:
    cache = ScoreCache(FakeScorer(), max_entries=2, ttl_seconds=60)
    for query in ("a", "b", "a", "c"):
        await cache.score(query, soon())
    assert len(cache) == 2
    assert (await cache.score("a", soon())).cached
    assert not (await cache.score("b", soon())).cached


async def test_another_bundle_does_not_get_the_old_ones_scores() -> None:
    scorer = FakeScorer()
    cache = ScoreCache(scorer, max_entries=10, ttl_seconds=60)
    await cache.score("q", soon())
    scorer.bundle = replace(BUNDLE, bundle_id="another")
    assert not (await cache.score("q", soon())).cached
    assert (await cache.score("q", soon())).scores.bundle.bundle_id == "another"


async def test_errors_are_not_kept() -> None:
    scorer = FakeScorer(faults={"q": ScorerFailedError("once")})
    cache = ScoreCache(scorer, max_entries=10, ttl_seconds=60)
    with pytest.raises(ScorerFailedError):
        await cache.score("q", soon())
    scorer.faults.clear()
    assert not (await cache.score("q", soon())).cached
