"""A scorer that hangs for long and goes on again: it has little to catch up with, and is used again at once."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.domain.query import Priority
from gateway.domain.scorer import Scored, Scores
from gateway.errors import ScorerError, ScorerTimeoutError
from gateway.scoring.bisecting import BisectingScorer
from gateway.scoring.coalescer import Coalescer
from tests.support.fakes.scorer import FakeScorer

pytestmark = pytest.mark.looptime

PER_SECOND, DEADLINE_SECONDS = 50, 0.2
HANGS_SECONDS, BACK_SECONDS = 20, 2


class Stopped(FakeScorer):
    """Computes one query after the other, whether anybody waits for it or not, as soon as it may `go_on`.

    As a client of Triton sees it: a call ends after `timeout_seconds`, and what it asked is computed all the same.
    """

    row_seconds, timeout_seconds = 0.012, 10

    def __init__(self, *, cancellable: bool) -> None:
        super().__init__(cancellable=cancellable)
        self.go_on, self.computed = asyncio.Event(), 0
        self.go_on.set()
        self._alone = asyncio.Lock()
        self._computing: set[asyncio.Task[list[Scores]]] = set()

    async def score_batch(self, queries: Sequence[str]) -> list[Scores]:
        task = asyncio.create_task(self._compute(queries))
        self._computing.add(task)
        task.add_done_callback(self._computing.discard)
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await (task if self.cancellable else asyncio.shield(task))
        except TimeoutError:
            raise ScorerTimeoutError("DEADLINE_EXCEEDED") from None

    async def _compute(self, queries: Sequence[str]) -> list[Scores]:
        async with self._alone:
            await self.go_on.wait()
            await asyncio.sleep(self.row_seconds * len(queries))
            self.computed += len(queries)
        return await super().score_batch(queries)


@pytest.mark.parametrize("cancellable", [True, False])
@pytest.mark.parametrize("rows", [0, 200])
async def test_a_scorer_that_was_stopped_is_used_again_at_once(cancellable: bool, rows: int) -> None:
    scorer, clock = Stopped(cancellable=cancellable), asyncio.get_running_loop().time
    target = Coalescer(
        BisectingScorer(scorer), max_batch=lambda: 64, scorers=lambda: 1, window=8, row_seconds=0.05, clock=clock
    )
    real: list[tuple[float, bool]] = []

    async def ask(query: str) -> None:
        sent = clock()
        try:
            real.append((sent, isinstance(await target.score(query, sent + DEADLINE_SECONDS), Scored)))
        except ScorerError:
            real.append((sent, False))

    async def load(seconds: float) -> None:
        async with asyncio.TaskGroup() as calls:
            for _ in range(int(seconds * PER_SECOND)):
                calls.create_task(ask(f"query at {clock()}"))
                await asyncio.sleep(1 / PER_SECOND)

    batch = [target.score(f"row {i}", clock() + 10, Priority.BATCH) for i in range(rows)]
    await load(1)
    scorer.go_on.clear()
    waiting = asyncio.gather(*batch, return_exceptions=True)
    await load(HANGS_SECONDS)
    computed, back = scorer.computed, clock()
    scorer.go_on.set()
    await load(BACK_SECONDS + 3)
    await waiting
    assert all(is_real for sent, is_real in real if sent >= back + BACK_SECONDS)
    assert not any(is_real for sent, is_real in real if back - HANGS_SECONDS + 1 < sent < back - 1)
    assert scorer.computed - computed < (BACK_SECONDS + 3) * PER_SECOND + 64  # of what was asked while it hung
