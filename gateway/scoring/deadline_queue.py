"""Deadline queue: queries that wait to be scored, most urgent first, and deadline-aware shedding.

Urgency is priority, then the nearest deadline: so the rows of a large batch never hold up single queries. Where more
arrives than can be scored, a plain queue would soon hold only queries that are about to expire, and nearly all of them
would be scored in vain; so those that cannot be answered in time are shed before any are sent.
"""

import asyncio
from contextvars import copy_context
from heapq import nsmallest

from gateway.domain.query import Priority
from gateway.domain.scorer import Scores

Outcome = Scores | Exception


class Entry:
    """One distinct query and the callers that wait for it."""

    __slots__ = ("context", "deadline", "last_deadline", "priority", "query", "sent_at", "waiters")

    def __init__(self, query: str, deadline: float, priority: Priority) -> None:
        self.query = query
        self.priority = priority
        self.deadline = self.last_deadline = deadline  # the nearest and the furthest of the waiters'
        self.waiters: set[asyncio.Future[Scores]] = set()
        self.sent_at: float | None = None  # None: it waits in the queue
        self.context = copy_context()

    def hasten(self, deadline: float, priority: Priority) -> None:
        """One more caller waits for it: it becomes as urgent as the most urgent of them."""
        self.deadline = min(self.deadline, deadline)
        self.last_deadline = max(self.last_deadline, deadline)
        self.priority = min(self.priority, priority)

    def settle(self, outcome: Outcome) -> None:
        """Gives `outcome` to everybody who still waits."""
        for waiter in self.waiters:
            if waiter.done():
                continue
            if isinstance(outcome, Exception):
                waiter.set_exception(outcome)
            else:
                waiter.set_result(outcome)


class DeadlineQueue:
    """Entries by query."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}  # in order of arrival

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, query: str) -> Entry | None:
        """The entry that waits with `query`."""
        return self._entries.get(query)

    def add(self, entry: Entry) -> None:
        """Queues `entry`, whose query is not in the queue."""
        self._entries[entry.query] = entry

    def remove(self, entry: Entry) -> None:
        """Takes `entry` out, if it is there."""
        if self._entries.get(entry.query) is entry:
            del self._entries[entry.query]

    @property
    def has_single(self) -> bool:
        """Whether a single query waits."""
        return any(entry.priority is Priority.INTERACTIVE for entry in self._entries.values())

    def take(self, most: int, most_rows: int) -> list[Entry]:
        """Takes out up to `most` single queries, the most urgent ones; where there are none, up to `most_rows` rows.

        Never both: a single query would wait for the rows that share its batch.
        """
        singles = [entry for entry in self._entries.values() if entry.priority is Priority.INTERACTIVE]
        entries = singles or list(self._entries.values())
        room = most if singles else min(most, most_rows)
        if len(entries) > room:
            entries = nsmallest(room, entries, key=_urgency)
        for entry in entries:
            del self._entries[entry.query]
        return entries

    def shed(self, answered_at: float, *, is_idle: bool) -> list[Entry]:
        """Takes out those that every waiter will have left at `answered_at`.

        Args:
            answered_at: when an answer is to be expected for what is sent now.
            is_idle: a scorer has nothing to do. Then one stays where it would be all of them, the one with most time
                left: that is how one notices that the scorer has become faster, without giving it much to catch up
                with where it has not.
        """
        hopeless = [entry for entry in self._entries.values() if entry.last_deadline <= answered_at]
        if is_idle and hopeless and len(hopeless) == len(self._entries):
            hopeless.remove(min(hopeless, key=_promise))
        for entry in hopeless:
            del self._entries[entry.query]
        return hopeless


def _promise(entry: Entry) -> tuple[int, float]:
    return entry.priority, -entry.last_deadline


def _urgency(entry: Entry) -> tuple[int, float]:
    return entry.priority, entry.deadline
