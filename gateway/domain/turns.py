"""Long work in short turns: between two of them the event loop serves everybody else."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

ITEMS = 32
"""In one turn: a millisecond or two, where an item is a query to check or to decide."""

T = TypeVar("T")


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """All of `items`, with a turn of the event loop after each `ITEMS`."""
    for number, item in enumerate(items):
        if number and number % ITEMS == 0:
            await asyncio.sleep(0)
        yield item
