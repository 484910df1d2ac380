"""How fast one endpoint is asked: calls at a time, calls a second, and a pause where the server asks for one."""

import asyncio
from collections.abc import Callable


class Pace:
    """The pace of one endpoint. `rate`: calls a second, None: as fast as `concurrency` calls at a time are answered."""

    def __init__(self, concurrency: int, rate: float | None, clock: Callable[[], float]) -> None:
        """`clock`: seconds, monotonic."""
        self._slots = asyncio.Semaphore(concurrency)
        self._gap = 1 / rate if rate else 0.0
        self._clock = clock
        self._next = 0.0

    async def __aenter__(self) -> None:
        await self._slots.acquire()
        try:
            await self.turn()
        except BaseException:
            self._slots.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._slots.release()

    async def turn(self) -> None:
        """Waits until the endpoint may be asked once more."""
        now = self._clock()
        turn = max(self._next, now)
        self._next = turn + self._gap
        if turn > now:
            await asyncio.sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Nobody asks this endpoint for so long."""
        self._next = max(self._next, self._clock() + seconds)
