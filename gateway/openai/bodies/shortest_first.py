"""Turns at what only one can use at a time: the shortest job that waits is next, so that long ones hold up few."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count


class ShortestFirst:
    """A lock whose waiters are ordered by length, and by arrival where that is equal."""

    def __init__(self) -> None:
        self._busy = False
        self._numbers = count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, length: int) -> AsyncIterator[None]:
        """Waits for a turn, and gives it on at the end of the block; a job cancelled while it waits has none."""
        if self._busy:
            await self._wait(length)
        self._busy = True
        try:
            yield
        finally:
            self._give_on()

    async def _wait(self, length: int) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (length, next(self._numbers), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # the turn had come already
                self._give_on()
            raise

    def _give_on(self) -> None:
        while self._waiting:
            _, _, waiter = heappop(self._waiting)
            if not waiter.done():
                waiter.set_result(None)
                return
        self._busy = False
