"""The end of the process comes in time, whatever hangs: a file on a dead server, a thread, the event loop itself."""

import faulthandler
import sys

MARGIN_SECONDS = 5.0  # after the grace, for what has to be closed


def end_within(seconds: float) -> None:
    """Ends this process after `seconds` with status 1, and the stack of every thread on stderr.

    Python's own watchdog waits in a thread that needs no interpreter, so not even a stuck one outlives it.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
