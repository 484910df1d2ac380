"""Turns concurrent queries into few batches, a scorer in front of a batch scorer.

A coalescer sends at once while fewer than `window` queries of each scorer are in flight: what arrives in the same turn
of the event loop goes together. Beyond that, and with a batch for each scorer in flight, queries gather and leave as
the next batch, those with the nearest deadline first, so that a large RouteBatch does not hold up single queries. So a
scorer always has something to do while there is something, and one that is behind gets few large batches. The same
query twice in flight is one row.

A batch lives as long as somebody waits for it: each caller leaves at its own deadline or when it is cancelled, and when
the last one has left, the batch is cancelled too. Where the scorer does not stand that, it is left to end by itself and
keeps its place for a while, so that a scorer that hangs has few to catch up with. A batch that is refused because of
one of its queries is split until that query stands alone, so that its neighbours are answered.

Where more comes than can be scored, the queue would hold only queries that are about to expire, and nearly all of them
would be scored in vain. So a query that has less time left than answers take by now is refused at once, and those that
are sent are answered in time.

Does not know Triton, nor what scores mean.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextvars import copy_context
from heapq import nsmallest
from operator import attrgetter

from gateway.domain.scorer import BatchScorer, Bundle, Scored, Scores
from gateway.errors import (
    InvalidRequestError,
    ScorerOverloadedError,
    ScorerTimeoutError,
    ScorerUnavailableError,
)

_Outcome = Scores | Exception

_ABANDONED_SECONDS = 1.0  # that long a batch that nobody waits for, and that cannot be cancelled, keeps its place
_SMOOTHING = 0.2  # weight of the newest batch in how long answers take


class _Entry:
    """One distinct query and everybody who waits for it."""

    __slots__ = ("batch", "context", "deadline", "last_deadline", "query", "sent_ns", "waiters")

    def __init__(self, query: str, deadline: float) -> None:
        self.query = query
        self.deadline = self.last_deadline = deadline  # the nearest and the furthest of those who wait
        self.waiters: set[asyncio.Future[Scores]] = set()
        self.batch: _Batch | None = None  # None until it is sent
        self.sent_ns = 0
        self.context = copy_context()

    def settle(self, outcome: _Outcome) -> None:
        for waiter in self.waiters:
            if waiter.done():
                continue
            if isinstance(outcome, Exception):
                waiter.set_exception(outcome)
            else:
                waiter.set_result(outcome)


class _Batch:
    """Entries that were sent together."""

    __slots__ = ("entries", "task")

    def __init__(self, entries: list[_Entry]) -> None:
        self.entries = entries
        self.task: asyncio.Task[None] | None = None


class Coalescer:
    """Scores single queries through a batch scorer."""

    def __init__(
        self,
        scorer: BatchScorer,
        *,
        max_batch: int,
        scorers: Callable[[], int],
        window: int,
        observe: Callable[[int], None] = lambda batch_size: None,
        keep: Callable[[str, Scores], None] | None = None,
    ) -> None:
        """Coalesces for one event loop.

        Args:
            scorer: gets the batches.
            max_batch: queries in one batch.
            scorers: how many batches are scored side by side at best: the Tritons behind `scorer`.
            window: queries in flight for each of them up to which more are sent at once.
            observe: called with the size of each batch that is sent.
            keep: called with each query that was scored, whether anybody still waits for it or not.
        """
        self._scorer = scorer
        self._max_batch = max_batch
        self._scorers = scorers
        self._window = window
        self._observe = observe
        self._keep = keep
        self._pending: dict[str, _Entry] = {}  # in order of arrival
        self._in_flight: dict[str, _Entry] = {}
        self._batches: set[_Batch] = set()
        self._flush_is_due = False
        self._answer_seconds = 0.0  # from sending a batch to its answer, smoothed

    @property
    def bundle(self) -> Bundle:
        """The inner scorer's bundle."""
        return self._scorer.bundle

    async def score(self, query: str, deadline: float) -> Scored:
        """See `Scorer.score`."""
        loop = asyncio.get_running_loop()
        arrived_ns = time.perf_counter_ns()
        remaining_seconds = deadline - time.monotonic()
        if remaining_seconds <= 0:
            raise ScorerTimeoutError("the deadline had passed before the query could be sent")
        waiter: asyncio.Future[Scores] = loop.create_future()
        entry = self._join(query, waiter, deadline)
        timer = loop.call_later(remaining_seconds, _expire, waiter)
        try:
            scores = await waiter
        finally:
            timer.cancel()
            self._leave(entry, waiter)
        started_ns = max(arrived_ns, entry.sent_ns)
        return Scored(scores, False, started_ns - arrived_ns, time.perf_counter_ns() - started_ns)

    def _join(self, query: str, waiter: asyncio.Future[Scores], deadline: float) -> _Entry:
        entry = self._in_flight.get(query) or self._pending.get(query)
        if entry is None:
            entry = self._pending[query] = _Entry(query, deadline)
            self._schedule_flush()
        entry.deadline = min(entry.deadline, deadline)
        entry.last_deadline = max(entry.last_deadline, deadline)
        entry.waiters.add(waiter)
        return entry

    def _leave(self, entry: _Entry, waiter: asyncio.Future[Scores]) -> None:
        entry.waiters.discard(waiter)
        if entry.waiters:
            return
        if entry.batch is None:
            self._pending.pop(entry.query, None)
        elif entry.batch in self._batches and not any(e.waiters for e in entry.batch.entries):
            self._abandon(entry.batch)

    def _schedule_flush(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        while self._pending and self._has_room():
            self._refuse_hopeless()
            if entries := self._most_urgent():
                for entry in entries:
                    del self._pending[entry.query]
                self._send(_Batch(entries))

    def _has_room(self) -> bool:
        scorers = self._scorers()
        queries = sum(len(batch.entries) for batch in self._batches)
        return len(self._batches) < scorers or queries < self._window * scorers

    def _refuse_hopeless(self) -> None:
        """An idle scorer is asked all the same, so that it is noticed when it has become faster."""
        answered = time.monotonic() + self._answer_seconds
        hopeless = [entry for entry in self._pending.values() if entry.last_deadline < answered]
        if not self._batches and len(hopeless) == len(self._pending):
            return
        for entry in hopeless:
            del self._pending[entry.query]
            entry.settle(ScorerOverloadedError("scores would come after the deadline"))

    def _most_urgent(self) -> list[_Entry]:
        if len(self._pending) <= self._max_batch:
            return list(self._pending.values())
        return nsmallest(self._max_batch, self._pending.values(), key=_deadline)

    def _send(self, batch: _Batch) -> None:
        sent_ns = time.perf_counter_ns()
        for entry in batch.entries:
            entry.batch, entry.sent_ns = batch, sent_ns
            self._in_flight[entry.query] = entry
        self._batches.add(batch)
        self._observe(len(batch.entries))
        # In the context of its first query: so a trace leads from a call to Triton.
        batch.task = asyncio.create_task(self._run(batch), context=batch.entries[0].context)

    async def _run(self, batch: _Batch) -> None:
        outcomes: Sequence[_Outcome] = [ScorerUnavailableError("the call was cancelled")] * len(batch.entries)
        sent = time.monotonic()
        try:
            outcomes = await self._outcomes([entry.query for entry in batch.entries])
            self._answer_seconds += _SMOOTHING * (time.monotonic() - sent - self._answer_seconds)
        except asyncio.CancelledError:  # nobody waited any longer; the answer would have taken longer still
            self._answer_seconds = max(self._answer_seconds, time.monotonic() - sent)
            raise
        finally:
            self._forget(batch)
            self._settle(batch, outcomes)

    def _settle(self, batch: _Batch, outcomes: Sequence[_Outcome]) -> None:
        for entry, outcome in zip(batch.entries, outcomes, strict=True):
            if self._keep is not None and not isinstance(outcome, Exception):
                self._keep(entry.query, outcome)
            entry.settle(outcome)

    async def _outcomes(self, queries: Sequence[str]) -> Sequence[_Outcome]:
        try:
            return await self._scorer.score_batch(queries)
        except InvalidRequestError as error:
            if len(queries) == 1:
                return [error]
            middle = len(queries) // 2
            left, right = await asyncio.gather(self._outcomes(queries[:middle]), self._outcomes(queries[middle:]))
            return [*left, *right]
        except Exception as error:  # whoever waits gets it, a defect of the scorer included
            return [error] * len(queries)

    def _abandon(self, batch: _Batch) -> None:
        if not self._scorer.cancellable:
            self._let_nobody_join(batch)
            asyncio.get_running_loop().call_later(_ABANDONED_SECONDS, self._forget, batch)
            return
        self._forget(batch)
        if batch.task is not None:
            batch.task.cancel()

    def _forget(self, batch: _Batch) -> None:
        self._batches.discard(batch)
        self._let_nobody_join(batch)
        if self._pending:
            self._schedule_flush()

    def _let_nobody_join(self, batch: _Batch) -> None:
        for entry in batch.entries:
            if self._in_flight.get(entry.query) is entry:
                del self._in_flight[entry.query]


_deadline = attrgetter("deadline")


def _expire(waiter: asyncio.Future[Scores]) -> None:
    if not waiter.done():
        waiter.set_exception(ScorerTimeoutError("no scores within the deadline"))
