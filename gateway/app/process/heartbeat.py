"""Heartbeats over a pipe: whether a process that is still there also still works.

A process that is stopped, or whose event loop is stuck, looks alive to its parent: its connections are accepted by the
kernel and answered by nobody. So each worker's event loop writes a byte a second, and silence means that it hangs.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

BEAT_SECONDS = 1.0


async def beat(pipe: int) -> None:
    """Writes to `pipe` for ever. A full pipe is left alone: its reader does not read, and the writer must not hang."""
    os.set_blocking(pipe, False)
    while True:
        with suppress(OSError):
            os.write(pipe, b".")
        await asyncio.sleep(BEAT_SECONDS)


class Pulse:
    """Listens to the heartbeats of one process, on the running event loop."""

    def __init__(self, pipe: int, timeout_seconds: float, on_silence: Callable[[], None]) -> None:
        """Listens from now on; `on_silence` is called once, when there was none for `timeout_seconds`."""
        self._pipe = pipe
        self._timeout_seconds = timeout_seconds
        self._on_silence = on_silence
        self._loop = asyncio.get_running_loop()
        self._alarm = self._loop.call_later(timeout_seconds, on_silence)
        self._loop.add_reader(pipe, self._heard)

    def stop(self) -> None:
        """Listens no more."""
        self._alarm.cancel()
        self._loop.remove_reader(self._pipe)

    def _heard(self) -> None:
        if not os.read(self._pipe, 4096):  # the process has ended, which is noticed elsewhere
            self.stop()
            return
        self._alarm.cancel()
        self._alarm = self._loop.call_later(self._timeout_seconds, self._on_silence)
