import asyncio
from dataclasses import dataclass, field

import pytest

from gateway.domain.query import Priority
from gateway.domain.scorer import Bundle, Scored, Scores
from gateway.errors import ConcurrencyLimitError, ScorerTimeoutError
from gateway.limits.adaptive_limit import AdaptiveLimit
from gateway.scoring.limited import LimitedScorer
from tests.support.fakes.scorer import BUNDLE

SCORED = Scored(Scores(BUNDLE, (0.1, 0.2, 0.3), 1, False))
TARGET = 0.05


@dataclass
class Server:
    """Answers one query after the other, each `seconds` after the one before; time passes only when it is told to."""

    seconds: float = 0.01
    dead: bool = False
    now: float = 0.0
    free_at: float = 0.0
    bundle: Bundle = BUNDLE
    waiting: list[tuple[float, float, asyncio.Future[Scored]]] = field(default_factory=list)

    async def score(self, query: str, deadline: float, priority: Priority = Priority.INTERACTIVE) -> Scored:
        self.free_at = max(self.free_at, self.now) + self.seconds
        answer: asyncio.Future[Scored] = asyncio.get_running_loop().create_future()
        self.waiting.append((self.free_at, deadline, answer))
        return await answer

    async def advance(self, seconds: float) -> None:
        self.now += seconds
        for one in [one for one in self.waiting if min(one[:2]) <= self.now]:
            self.waiting.remove(one)
            due, deadline, answer = one
            if answer.done():
                continue  # nobody waits
            if self.dead or deadline < due:
                answer.set_exception(ScorerTimeoutError("no answer"))
            else:
                answer.set_result(SCORED)
        for _ in range(3):
            await asyncio.sleep(0)


def limited(server: Server, target_seconds: float = TARGET, initial_limit: int = 8) -> LimitedScorer:
    limit = AdaptiveLimit(
        target_seconds=target_seconds, max_limit=1000, initial_limit=initial_limit, clock=lambda: server.now
    )
    return LimitedScorer(server, limit)


async def offer(server: Server, limit: LimitedScorer, per_second: float, seconds: float) -> tuple[list[float], int]:
    """Waits of those who were let in, and how many were refused."""
    waits: list[float] = []
    refused = 0

    async def one() -> None:
        nonlocal refused
        began = server.now
        try:
            await limit.score("q", server.now + 0.2)
        except ConcurrencyLimitError:
            refused += 1
        except ScorerTimeoutError:
            pass
        else:
            waits.append(server.now - began)

    tasks = []
    for _ in range(int(per_second * seconds)):
        tasks.append(asyncio.create_task(one()))
        await server.advance(1 / per_second)
    while server.waiting:
        await server.advance(0.01)
    await asyncio.gather(*tasks)
    return waits, refused


async def test_nobody_is_refused_below_capacity() -> None:
    server = Server()
    limit = limited(server)
    waits, refused = await offer(server, limit, per_second=80, seconds=5)
    assert (len(waits), refused) == (400, 0)


async def test_ten_times_capacity_leaves_those_who_are_let_in_as_fast_as_the_target() -> None:
    server = Server()
    limit = limited(server)
    await offer(server, limit, per_second=1000, seconds=2)  # learns
    waits, refused = await offer(server, limit, per_second=1000, seconds=5)
    assert sorted(waits)[int(len(waits) * 0.99)] <= TARGET * 1.5
    assert len(waits) > 400  # of 500 that are possible: refusing too much would be easy
    assert refused > 4000


async def test_where_only_one_at_a_time_is_in_time_most_are_alone() -> None:
    server = Server()
    limit = limited(server, target_seconds=0.015)
    await offer(server, limit, per_second=1000, seconds=2)  # learns
    waits, _ = await offer(server, limit, per_second=1000, seconds=5)
    assert sorted(waits)[int(len(waits) * 0.7)] <= 0.015
    assert len(waits) > 400


async def test_after_the_crowd_everybody_is_let_in_again() -> None:
    server = Server()
    limit = limited(server)
    await offer(server, limit, per_second=1000, seconds=2)
    assert (await offer(server, limit, per_second=50, seconds=2))[1] == 0


async def test_a_dead_scorer_is_no_reason_to_refuse() -> None:
    server = Server()
    limit = limited(server)
    await offer(server, limit, per_second=1000, seconds=2)
    server.dead = True
    await offer(server, limit, per_second=50, seconds=2)
    assert (await offer(server, limit, per_second=500, seconds=1))[1] == 0


async def test_rows_of_a_batch_are_admitted_above_the_limit() -> None:
    server = Server()
    target = limited(server, initial_limit=2)
    tasks = [asyncio.create_task(target.score("q", 10.0, Priority.BATCH)) for _ in range(20)]
    await server.advance(0)
    await server.advance(5)
    assert await asyncio.gather(*tasks) == [SCORED] * 20


@pytest.mark.parametrize("seconds_left", [0.15, 10.0])
async def test_a_batch_is_known_by_its_priority_and_not_by_the_time_that_it_has_left(seconds_left: float) -> None:
    server = Server()
    target = limited(server, initial_limit=2)
    rows = [asyncio.create_task(target.score("q", seconds_left, Priority.BATCH)) for _ in range(9)]
    singles = [asyncio.create_task(target.score("q", seconds_left)) for _ in range(3)]
    await server.advance(0)
    await server.advance(0.14)
    outcomes = await asyncio.gather(*rows, *singles, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Scored] * 11 + [ConcurrencyLimitError]


async def test_a_query_that_leaves_makes_room_and_the_refusal_names_this_limit() -> None:
    server = Server()
    target = limited(server, initial_limit=2)
    tasks = [asyncio.create_task(target.score("q", 0.1)) for _ in range(2)]
    await server.advance(0)
    with pytest.raises(ConcurrencyLimitError, match="only 2 queries at once are scored within 50 ms") as caught:
        await target.score("q", 0.1)
    assert caught.value.retry_after_seconds == TARGET
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    third = asyncio.create_task(target.score("q", 0.1))
    await server.advance(0)
    await server.advance(1)
    assert await third is SCORED
