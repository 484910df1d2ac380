"""Batches that were sent and are not answered yet, and how much they hold.

Every query asks for that before it leaves, so it is counted as batches come and go.
"""

import asyncio

from gateway.domain.query import Priority
from gateway.scoring.deadline_queue import Entry


class Batch:
    """Entries that were sent together: single queries, or rows of batches."""

    __slots__ = ("entries", "rows", "sent_at", "task")

    def __init__(self, entries: list[Entry], now: float) -> None:
        self.entries = entries
        self.sent_at = now
        self.rows = len(entries) if entries[0].priority is Priority.BATCH else 0
        self.task: asyncio.Task[None] | None = None

    def is_abandoned(self) -> bool:
        """Whether nobody waits for it any more."""
        return not any(entry.waiters for entry in self.entries)


class InFlight:
    """The batches that have a place."""

    def __init__(self) -> None:
        self._batches = set[Batch]()
        self.single_batches = 0
        """batches of single queries"""
        self.singles = 0
        """queries in those"""
        self.rows = 0
        """rows in the others"""

    def __len__(self) -> int:
        return len(self._batches)

    def add(self, batch: Batch) -> None:
        """`batch` is sent."""
        self._batches.add(batch)
        self._count(batch, 1)

    def discard(self, batch: Batch) -> None:
        """`batch` gives its place back, if it has one."""
        if batch in self._batches:
            self._batches.remove(batch)
            self._count(batch, -1)

    def _count(self, batch: Batch, sign: int) -> None:
        if batch.rows:
            self.rows += sign * batch.rows
        else:
            self.single_batches += sign
            self.singles += sign * len(batch.entries)
