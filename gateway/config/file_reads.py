"""Reads of files that may never end: a dead NFS server, a FIFO that nobody writes to.

Each read has a daemon thread of its own. A thread that hangs costs memory and nothing else: neither the event loop nor
the end of the process waits for it, as they would for those of an executor. Name servers that do not answer are the
same to it. Does not know what is read.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from gateway.errors import FileHangsError

T = TypeVar("T")


def read_within(seconds: float, what: str, read: Callable[[], T]) -> T:
    """What `read` returns or raises; for start-up, when nothing else has to go on.

    Raises:
        FileHangsError: it has not ended within `seconds`.
    """
    ended: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
    threading.Thread(target=lambda: ended.put(_outcome(read)), name=f"read-{what}", daemon=True).start()
    try:
        value, error = ended.get(timeout=seconds)
    except queue.Empty:
        raise FileHangsError(what, seconds) from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # None only where T has it


def start_read(what: str, read: Callable[[], T]) -> "asyncio.Future[T]":
    """A future of what `read` returns or raises."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)  # type: ignore[arg-type]  # None only where T has it

    def run() -> None:
        outcome = _outcome(read)
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name=f"read-{what}", daemon=True).start()
    return future


def _outcome(read: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    try:
        return read(), None
    except BaseException as error:
        return None, error
