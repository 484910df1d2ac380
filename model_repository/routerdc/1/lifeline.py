"""Ends this process when the one that started it has ended, however that happened (kill -9 included).

Triton's own look after its Python processes is not enough: it asks whether Triton's process id exists, which it does as
long as nobody has waited for it, and may wait for a lock that Triton held; SIGTERM is ignored. PR_SET_PDEATHSIG cannot
be used: it is sent when the thread that started us ends, and Triton's loading threads do.
"""

import os
import threading
import time

CHECK_SECONDS = 1.0
GRACE_SECONDS = 3.0
"""For Triton's own way of ending, which removes shared memory, too"""


def end_with_parent() -> None:
    """Returns at once; watches from a thread."""
    threading.Thread(target=_watch, args=(os.getppid(),), name="lifeline", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(CHECK_SECONDS)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
