"""The end of the process comes in time, whatever hangs: a file on a dead server, a thread, the event loop itself."""

import asyncio
import faulthandler
import signal
import sys
from collections.abc import Callable
from types import FrameType

MARGIN_SECONDS = 5.0  # after the grace, for what has to be closed


class Ending:
    """Stops the running event loop's work, and ends the process where that does not come to its end.

    Left to the supervisor of the process is C code that neither returns nor lets the interpreter go.
    """

    def __init__(self, stop: Callable[[], object], grace_seconds: float) -> None:
        """`stop` is called on the event loop; the process ends MARGIN_SECONDS after its grace, whatever hangs."""
        self._stop = stop
        self._seconds = grace_seconds + MARGIN_SECONDS
        self._loop = asyncio.get_running_loop()
        self._begun = False

    def on_signals(self) -> None:
        """SIGTERM and SIGINT begin it; a second one leaves no grace.

        Python's own handlers, and not the event loop's: they interrupt what the loop is stuck in.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)

    def begin(self) -> None:
        """Stops, and counts down."""
        end_within(MARGIN_SECONDS if self._begun else self._seconds)
        self._begun = True
        self._loop.call_soon_threadsafe(self._stop)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self.begin()


def end_within(seconds: float) -> None:
    """Ends this process after `seconds` with status 1, and the stack of every thread on stderr.

    Python's own watchdog waits in a thread that needs no interpreter, so not even a stuck one outlives it.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
