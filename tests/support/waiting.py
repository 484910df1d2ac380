"""Waiting for something that another task, process or machine brings about."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Returns once `condition()` (which may be a coroutine function) is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if await value if isinstance(value, Awaitable) else value:
            return
        assert time.monotonic() < end, "did not happen"
        await asyncio.sleep(0.005)
