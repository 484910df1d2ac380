"""Asks for the nearest graded training queries beside everything else: they explain a decision and delay none."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.domain.scorer import Neighbours
from gateway.errors import GatewayError

MAX_IN_FLIGHT = 8
"""Questions at once: they are not batched, and people ask them, one at a time."""


class Nearest:
    """Neighbours from `ask`, as long as few are asked for at once."""

    def __init__(self, ask: Callable[[str], Awaitable[Neighbours | None]]) -> None:
        self._ask = ask
        self._in_flight: set[asyncio.Task[Neighbours | None]] = set()

    async def __call__(self, query: str) -> Neighbours | None:
        """The neighbours of `query`; None where there are none, Triton fails, or too many ask.

        A question whose caller leaves is not cancelled: a Triton before 25.04 may crash of that.
        """
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            return None
        task = asyncio.create_task(self._asked(query))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return await asyncio.shield(task)

    async def _asked(self, query: str) -> Neighbours | None:
        try:
            return await self._ask(query)
        except GatewayError:
            return None
