"""An asyncio event loop whose timers are exact to microseconds.

asyncio waits with epoll, which counts in milliseconds and rounds up: requests would be sent up to 1 ms late, as long as
some of the answers take. select(2) on the epoll descriptor itself waits to the microsecond.
"""

import asyncio
import select
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _PreciseSelector(selectors.EpollSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            select.select([self.fileno()], [], [], timeout)
            timeout = 0
        return super().select(timeout)


def run(work: Coroutine[Any, Any, T]) -> T:
    """asyncio.run with such a loop."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_PreciseSelector())) as runner:
        return runner.run(work)
