"""Coalescer: turns concurrent queries into few batches. A scorer of single queries in front of a scorer of batches.

Single queries leave at once while there is room (`pacing.has_room`); what arrives in the same turn of the event loop
goes together, and the same query twice in flight is one row. Otherwise queries wait in the `DeadlineQueue`. Rows of
batches leave in slices (`pacing.RowLimit`) while no single query waits: so one waits for the end of a slice at most.

A batch lives as long as somebody waits for it: each caller leaves at its own deadline or when it is cancelled, and with
the last one the batch is cancelled, too. Where the scorer does not support that, the batch ends by itself and keeps its
place for a while. A scorer that answers too late, or not at all, is tried with one query at a time: so it has little to
catch up with once it goes on, and is used again with its first answer in time.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from gateway.domain.query import Priority
from gateway.domain.scorer import Bundle, Scored, Scores
from gateway.errors import ScorerOverloadedError, ScorerTimeoutError, ScorerUnavailableError
from gateway.scoring.bisecting import BisectingScorer
from gateway.scoring.deadline_queue import DeadlineQueue, Entry, Outcome
from gateway.scoring.in_flight import Batch, InFlight
from gateway.scoring.pacing import AnswerTime, RowLimit, has_room

SLICE_SECONDS = 0.015
"""About what a few single queries take on a CPU, and longer than a full batch takes on a GPU."""
_ABANDONED_SECONDS = 1.0  # how long a batch without waiters keeps its place, where it cannot be cancelled


class Coalescer:
    """Scores single queries through a batch scorer, for one event loop."""

    def __init__(
        self,
        scorer: BisectingScorer,
        *,
        max_batch: Callable[[], int],
        scorers: Callable[[], int],
        window: int,
        row_seconds: float,
        slice_seconds: float = SLICE_SECONDS,
        observe: Callable[[int], None] = lambda batch_size: None,
        keep: Callable[[str, Scores], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts empty.

        Args:
            scorer: gets the batches.
            max_batch: how many queries one batch may have now.
            scorers: how many batches are scored side by side at best: the Tritons behind `scorer`.
            window: queries in flight for each of them up to which more are sent at once.
            row_seconds: as many rows of batches are in flight for each of them as are answered within that time.
            slice_seconds: the same while single queries come, which wait that long for them at most.
            observe: called with the size of each batch that is sent.
            keep: called with each query that was scored, whether anybody still waits for it or not.
            clock: gives the seconds that deadlines are in; the event loop's timers must run by the same clock.
        """
        self._scorer = scorer
        self._max_batch = max_batch
        self._scorers = scorers
        self._window = window
        self._row_limit = RowLimit(min(slice_seconds, row_seconds), row_seconds, initial_rows=window)
        self._observe = observe
        self._keep = keep
        self._clock = clock
        self._queue = DeadlineQueue()
        self._in_flight: dict[str, tuple[Entry, Batch]] = {}
        self._batches = InFlight()
        self._flush_is_due = False
        self._answer_time = AnswerTime()

    @property
    def bundle(self) -> Bundle:
        """The inner scorer's bundle."""
        return self._scorer.bundle

    async def score(self, query: str, deadline: float, priority: Priority = Priority.INTERACTIVE) -> Scored:
        """See `Scorer.score`."""
        arrived = self._clock()
        if deadline <= arrived:
            raise ScorerTimeoutError("the deadline had passed before the query could be sent")
        if priority is Priority.INTERACTIVE:
            self._row_limit.single(arrived)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Scores] = loop.create_future()
        entry = self._join(query, waiter, deadline, priority)
        timer = loop.call_later(deadline - arrived, _expire, waiter)
        try:
            scores = await waiter
        except BaseException:
            self._leave(entry, waiter)
            raise
        finally:
            timer.cancel()
        started = arrived if entry.sent_at is None else max(arrived, entry.sent_at)
        return Scored(scores, False, _ns(started - arrived), _ns(self._clock() - started))

    def _join(self, query: str, waiter: asyncio.Future[Scores], deadline: float, priority: Priority) -> Entry:
        sent = self._in_flight.get(query)
        entry = self._queue.get(query) if sent is None else sent[0]
        if entry is None:
            entry = Entry(query, deadline, priority)
            self._queue.add(entry)
            self._schedule_flush()
        else:
            entry.hasten(deadline, priority)
        entry.waiters.add(waiter)
        return entry

    def _leave(self, entry: Entry, waiter: asyncio.Future[Scores]) -> None:
        entry.waiters.discard(waiter)
        if entry.waiters:
            return
        if entry.sent_at is None:
            self._queue.remove(entry)
            return
        sent, batch = self._in_flight.get(entry.query, (None, None))
        if sent is entry and batch is not None and batch.is_abandoned():
            self._abandon(batch)

    def _schedule_flush(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        while entries := self._next():
            self._send(Batch(entries, self._clock()))

    def _next(self) -> list[Entry]:
        """What leaves now, taken from the queue."""
        if not len(self._queue):
            return []
        scorers = self._scorers()
        if not self._has_room(scorers):
            return []
        answered_at = self._clock() + self._answer_time.seconds
        for entry in self._queue.shed(answered_at, is_idle=len(self._batches) < scorers):
            entry.settle(ScorerOverloadedError("scores would come after the deadline"))
        return self._queue.take(self._max_batch(), self._room_for_rows(scorers))

    def _has_room(self, scorers: int) -> bool:
        if not self._queue.has_single:
            return self._room_for_rows(scorers) > 0
        sent = self._batches
        return has_room(batches=sent.single_batches, queries=sent.singles, scorers=scorers, window=self._window)

    def _room_for_rows(self, scorers: int) -> int:
        """Rows of the next slice."""
        rows = self._row_limit.rows
        return min(rows, rows * scorers - self._batches.rows)

    def _send(self, batch: Batch) -> None:
        for entry in batch.entries:
            entry.sent_at = batch.sent_at
            self._in_flight[entry.query] = entry, batch
        self._batches.add(batch)
        self._observe(len(batch.entries))
        # In the context of its first query, so that a trace leads from a call to Triton.
        batch.task = asyncio.create_task(self._run(batch), context=batch.entries[0].context)

    async def _run(self, batch: Batch) -> None:
        outcomes: Sequence[Outcome] = [ScorerUnavailableError("the call was cancelled")] * len(batch.entries)
        try:
            outcomes = await self._scorer.outcomes([entry.query for entry in batch.entries])
            seconds = self._clock() - batch.sent_at
            if not batch.is_abandoned():  # else it has been observed, and says how things were then
                self._answer_time.observe(seconds)
            if batch.rows:
                self._row_limit.observe(batch.rows, seconds, self._clock())
        finally:
            self._forget(batch)
            self._settle(batch, outcomes)

    def _settle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        for entry, outcome in zip(batch.entries, outcomes, strict=True):
            if self._keep is not None and not isinstance(outcome, Exception):
                self._keep(entry.query, outcome)
            entry.settle(outcome)

    def _abandon(self, batch: Batch) -> None:
        self._answer_time.observe_at_least(self._clock() - batch.sent_at)
        if not self._scorer.cancellable:
            self._close(batch)
            asyncio.get_running_loop().call_later(_ABANDONED_SECONDS, self._forget, batch)
            return
        self._forget(batch)
        if batch.task is not None:
            batch.task.cancel()

    def _forget(self, batch: Batch) -> None:
        """Frees the place of `batch`."""
        self._batches.discard(batch)
        self._close(batch)
        if len(self._queue):
            self._schedule_flush()

    def _close(self, batch: Batch) -> None:
        """Nobody joins `batch` any more: the same query is sent again."""
        for entry in batch.entries:
            if self._in_flight.get(entry.query) == (entry, batch):
                del self._in_flight[entry.query]


def _expire(waiter: asyncio.Future[Scores]) -> None:
    if not waiter.done():
        waiter.set_exception(ScorerTimeoutError("no scores within the deadline"))


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
