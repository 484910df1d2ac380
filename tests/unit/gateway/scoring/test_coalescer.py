import asyncio
from collections.abc import Sequence

import pytest

from gateway.domain.query import Priority
from gateway.domain.scorer import Scored, Scores
from gateway.errors import (
    InvalidRequestError,
    ScorerOverloadedError,
    ScorerTimeoutError,
    ScorerUnavailableError,
)
from gateway.scoring.bisecting import BisectingScorer
from gateway.scoring.coalescer import Coalescer
from tests.support.fakes.scorer import FakeScorer

pytestmark = pytest.mark.looptime  # time passes only when nothing else is left to do, and then at once


def soon(seconds: float = 5) -> float:
    return asyncio.get_running_loop().time() + seconds


def coalescer(
    scorer: FakeScorer, max_batch: int = 64, scorers: int = 1, window: int = 1, row_seconds: float = 5
) -> Coalescer:
    return Coalescer(
        BisectingScorer(scorer),
        max_batch=lambda: max_batch,
        scorers=lambda: scorers,
        window=window,
        row_seconds=row_seconds,
        clock=asyncio.get_running_loop().time,
    )


async def outcomes(target: Coalescer, *queries: str) -> list[Scored | BaseException]:
    return await asyncio.gather(*(target.score(query, soon()) for query in queries), return_exceptions=True)


async def test_queries_of_the_same_moment_leave_together() -> None:
    scorer = FakeScorer()
    await outcomes(coalescer(scorer), "a", "b", "c")
    assert scorer.batches == [["a", "b", "c"]]


async def test_a_lone_query_is_sent_at_once_and_later_ones_gather_while_it_is_in_flight() -> None:
    scorer = FakeScorer(delays_seconds={"first": 0.1})
    target = coalescer(scorer)
    first = asyncio.create_task(target.score("first", soon()))
    await asyncio.sleep(0.01)
    assert scorer.batches == [["first"]]
    late = [asyncio.create_task(target.score(query, soon())) for query in "abc"]
    await asyncio.sleep(0.01)
    late.append(asyncio.create_task(target.score("d", soon())))
    await asyncio.gather(first, *late)
    assert scorer.batches == [["first"], ["a", "b", "c", "d"]]


async def test_single_queries_leave_at_once_until_the_window_is_full() -> None:
    scorer = FakeScorer(delays_seconds=dict.fromkeys("abcde", 0.1))
    target = coalescer(scorer, window=3)
    calls = []
    for query in "abcde":
        calls.append(asyncio.create_task(target.score(query, soon())))
        await asyncio.sleep(0.01)
    assert scorer.batches == [["a"], ["b"], ["c"]]
    await asyncio.gather(*calls)
    assert scorer.batches == [["a"], ["b"], ["c"], ["d", "e"]]


async def test_a_large_batch_fills_the_window_of_its_scorer_and_leaves_the_other_one_free() -> None:
    scorer = FakeScorer(delays_seconds=dict.fromkeys("abcdefghi", 0.1))
    target = coalescer(scorer, scorers=2, window=3)
    calls = [asyncio.create_task(target.score(query, soon())) for query in "abcdefg"]
    for query in "hi":
        await asyncio.sleep(0.01)
        calls.append(asyncio.create_task(target.score(query, soon())))
    await asyncio.sleep(0.01)
    assert scorer.batches == [[*"abcdefg"], ["h"]]
    await asyncio.gather(*calls)
    assert scorer.batches == [[*"abcdefg"], ["h"], ["i"]]


async def test_each_caller_gets_the_scores_of_its_own_query() -> None:
    scorer = FakeScorer(values={str(i): (float(i), 0.0, 0.0) for i in range(50)})
    scored = await outcomes(coalescer(scorer, max_batch=8, scorers=3), *map(str, range(50)))
    assert [s.scores.values[0] for s in scored if isinstance(s, Scored)] == list(range(50))


async def test_no_batch_is_larger_than_the_limit_and_no_more_are_in_flight() -> None:
    scorer = FakeScorer(delays_seconds=dict.fromkeys("abcdefg", 0.05))
    pending = asyncio.ensure_future(outcomes(coalescer(scorer, max_batch=2, scorers=2), *"abcdefg"))
    await asyncio.sleep(0.02)
    assert scorer.batches == [["a", "b"], ["c", "d"]]
    await pending
    assert scorer.batches == [["a", "b"], ["c", "d"], ["e", "f"], ["g"]]


async def test_the_nearest_deadline_goes_first_so_that_bulk_does_not_hold_up_single_queries() -> None:
    scorer = FakeScorer(delays_seconds={"first": 0.03})
    target = coalescer(scorer, max_batch=2)
    bulk = [asyncio.create_task(target.score(query, soon(60))) for query in ("first", *"abcd")]
    await asyncio.sleep(0.01)
    await target.score("urgent", soon(1))
    assert scorer.batches[:2] == [["first", "a"], ["urgent", "b"]]
    await asyncio.gather(*bulk)


async def test_single_queries_go_before_the_rows_of_a_batch_whatever_their_deadlines_are() -> None:
    scorer = FakeScorer(delays_seconds={"first": 0.03})
    target = coalescer(scorer, max_batch=2)
    hasty_rows = [asyncio.create_task(target.score(query, soon(1), Priority.BATCH)) for query in ("first", *"abcd")]
    await asyncio.sleep(0.01)
    await target.score("single", soon(4))
    assert scorer.batches[:2] == [["first"], ["single"]]
    await asyncio.gather(*hasty_rows)


class OneByOne(FakeScorer):
    """Takes `seconds` for each query of a batch."""

    seconds = 0.01

    async def score_batch(self, queries: Sequence[str]) -> list[Scores]:
        await asyncio.sleep(self.seconds * len(queries))
        return await super().score_batch(queries)


async def test_a_slow_scorer_gets_few_rows_at_a_time_so_that_a_single_query_waits_little() -> None:
    scorer = OneByOne()
    target = coalescer(scorer, window=2, row_seconds=0.05)
    rows = [asyncio.create_task(target.score(f"row {i}", soon(60), Priority.BATCH)) for i in range(300)]
    waits = []
    for i in range(20):
        await asyncio.sleep(0.1)
        began = asyncio.get_running_loop().time()
        await target.score(f"single {i}", soon(1))
        waits.append(asyncio.get_running_loop().time() - began)
    await asyncio.gather(*rows)
    assert max(waits[1:]) <= 0.031  # a slice and the query itself; full batches would take 0.64


async def test_slices_are_longer_while_no_single_query_comes() -> None:
    scorer = OneByOne()
    target = coalescer(scorer, window=2, row_seconds=0.05)
    await target.score("single", soon(1))
    rows = [asyncio.create_task(target.score(f"row {i}", soon(60), Priority.BATCH)) for i in range(300)]
    await asyncio.sleep(0.9)
    assert len(scorer.batches[-1]) == 1  # 10 ms; two would take longer than a slice may beside single queries
    await asyncio.gather(*rows)
    assert max(map(len, scorer.batches[-3:])) in (4, 5)


async def test_a_fast_scorer_gets_full_batches_of_rows() -> None:
    scorer = OneByOne()
    scorer.seconds = 0.0001
    target = coalescer(scorer, window=8, row_seconds=0.05)
    await asyncio.gather(*(target.score(f"row {i}", soon(60), Priority.BATCH) for i in range(1024)))
    assert [len(batch) for batch in scorer.batches[:5]] == [8, 16, 32, 64, 64]


async def test_a_row_that_a_single_query_joins_becomes_as_urgent() -> None:
    scorer = FakeScorer(delays_seconds={"first": 0.03})
    target = coalescer(scorer, max_batch=1)
    rows = [asyncio.create_task(target.score(query, soon(1), Priority.BATCH)) for query in ("first", *"abc")]
    await asyncio.sleep(0.01)
    await target.score("c", soon(4))
    assert scorer.batches[:2] == [["first"], ["c"]]
    await asyncio.gather(*rows)


async def test_the_same_query_in_flight_is_scored_once() -> None:
    scorer = FakeScorer(delays_seconds={"q": 0.05})
    target = coalescer(scorer)
    first = asyncio.ensure_future(outcomes(target, "q", "q"))
    await asyncio.sleep(0.02)
    scored = await outcomes(target, "q") + await first
    assert scorer.batches == [["q"]]
    assert len({id(s.scores) for s in scored if isinstance(s, Scored)}) == 1


async def test_a_refused_query_fails_alone() -> None:
    scorer = FakeScorer(faults={"bad": InvalidRequestError("query", "refused")})
    scored = await outcomes(coalescer(scorer), "a", "b", "bad", "c", "d")
    assert [isinstance(s, InvalidRequestError) for s in scored] == [False, False, True, False, False]


async def test_a_failed_batch_fails_for_everybody_and_the_next_one_works() -> None:
    scorer = FakeScorer(faults={"a": ScorerUnavailableError("down")})
    target = coalescer(scorer)
    assert all(isinstance(s, ScorerUnavailableError) for s in await outcomes(target, "a", "b"))
    assert isinstance((await outcomes(target, "b"))[0], Scored)


async def test_a_defect_of_the_scorer_reaches_the_callers_and_does_not_stop_the_next_batch() -> None:
    scorer = FakeScorer(faults={"a": ZeroDivisionError()})
    target = coalescer(scorer)
    assert isinstance((await outcomes(target, "a"))[0], ZeroDivisionError)
    assert isinstance((await outcomes(target, "b"))[0], Scored)


async def test_a_batch_that_was_cancelled_from_within_fails_for_those_who_wait_and_frees_its_place() -> None:
    scorer = FakeScorer(faults={"a": asyncio.CancelledError()})
    target = coalescer(scorer)
    assert isinstance((await outcomes(target, "a"))[0], ScorerUnavailableError)
    assert isinstance((await outcomes(target, "b"))[0], Scored)


async def test_a_deadline_that_has_passed_sends_nothing() -> None:
    scorer = FakeScorer()
    with pytest.raises(ScorerTimeoutError):
        await coalescer(scorer).score("late", soon(-0.001))
    assert scorer.batches == []


async def test_a_caller_leaves_at_its_own_deadline_and_the_others_are_answered() -> None:
    scorer = FakeScorer(delays_seconds={"slow": 0.1})
    target = coalescer(scorer)
    hasty = asyncio.create_task(target.score("slow", soon(0.02)))
    patient = asyncio.create_task(target.score("slow", soon()))
    with pytest.raises(ScorerTimeoutError):
        await hasty
    assert (await patient).scores
    assert scorer.cancelled == []


async def test_a_batch_that_nobody_waits_for_any_more_is_cancelled() -> None:
    scorer = FakeScorer(delays_seconds={"a": 5, "b": 5})
    target = coalescer(scorer)
    callers = [asyncio.create_task(target.score(query, soon())) for query in "ab"]
    await asyncio.sleep(0.01)
    callers[0].cancel()
    await asyncio.sleep(0.01)
    assert scorer.cancelled == []
    callers[1].cancel()
    await asyncio.sleep(0.01)
    assert scorer.cancelled == ["a", "b"]


async def test_a_scorer_that_is_not_to_be_cancelled_ends_its_batch_and_only_then_gets_the_next() -> None:
    scorer = FakeScorer(delays_seconds={"a": 0.1}, cancellable=False)
    target = coalescer(scorer)
    with pytest.raises(ScorerTimeoutError):
        await target.score("a", soon(0.02))
    again = asyncio.create_task(target.score("a", soon()))  # does not join the batch that was given up
    await asyncio.sleep(0.02)
    assert scorer.batches == [["a"]]
    assert (await again).scores
    assert scorer.batches == [["a"], ["a"]]
    assert scorer.cancelled == []


async def test_a_batch_that_was_given_up_keeps_its_place_for_a_while_only() -> None:
    scorer = FakeScorer(delays_seconds={"stuck": 60}, cancellable=False)
    target = coalescer(scorer)
    with pytest.raises(ScorerTimeoutError):
        await target.score("stuck", soon(0.01))
    assert (await target.score("next", soon(5))).queue_ns > 0.5e9
    assert scorer.cancelled == []


async def test_after_a_cancelled_batch_waiting_queries_are_sent() -> None:
    scorer = FakeScorer(delays_seconds={"stuck": 60})
    target = coalescer(scorer)
    stuck = asyncio.create_task(target.score("stuck", soon(0.03)))
    await asyncio.sleep(0.01)
    assert (await target.score("next", soon())).queue_ns > 0
    with pytest.raises(ScorerTimeoutError):
        await stuck


async def test_a_query_that_was_abandoned_before_it_was_sent_is_never_sent() -> None:
    scorer = FakeScorer(delays_seconds={"first": 0.05})
    target = coalescer(scorer)
    first = asyncio.create_task(target.score("first", soon()))
    await asyncio.sleep(0.01)
    gone = asyncio.create_task(target.score("gone", soon()))
    await asyncio.sleep(0.01)
    gone.cancel()
    await first
    await target.score("last", soon())
    assert scorer.batches == [["first"], ["last"]]


async def test_under_overload_what_cannot_be_in_time_is_refused_and_what_is_sent_is_answered_in_time() -> None:
    """One query each 2 ms for a scorer that takes 10 ms for each: a fifth can be answered, and nearly that many are."""
    queries = [f"query {i}" for i in range(400)]
    scorer = FakeScorer(delays_seconds=dict.fromkeys(queries, 0.01))
    target = coalescer(scorer, max_batch=1)
    calls = []
    for query in queries:
        calls.append(asyncio.create_task(target.score(query, soon(0.1))))
        await asyncio.sleep(0.002)
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {Scored, ScorerOverloadedError, ScorerTimeoutError}
    assert any(isinstance(answer, ScorerOverloadedError) for answer in answers)
    answered = sum(isinstance(answer, Scored) for answer in answers)
    assert answered >= 0.9 * len(scorer.batches)


async def test_an_idle_scorer_is_asked_however_slow_it_was() -> None:
    scorer = FakeScorer(delays_seconds={"slow": 0.2})
    target = coalescer(scorer)
    with pytest.raises(ScorerTimeoutError):
        await target.score("slow", soon(0.1))
    assert (await target.score("quick", soon(0.05))).scores


async def test_a_query_that_a_patient_caller_shares_is_not_refused_for_the_hasty_one() -> None:
    scorer = FakeScorer(delays_seconds={"slow": 0.1, "slower": 0.2})
    target = coalescer(scorer, max_batch=1, scorers=2)
    await target.score("slow", soon())
    under_way = [asyncio.create_task(target.score(query, soon())) for query in ("slow", "slower")]
    await asyncio.sleep(0.01)
    patient = asyncio.create_task(target.score("shared", soon()))
    with pytest.raises(ScorerTimeoutError):
        await target.score("shared", soon(0.001))
    assert (await patient).scores
    await asyncio.gather(*under_way)
