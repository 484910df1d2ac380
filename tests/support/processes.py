"""Looks at processes from outside."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def wait_until(condition: Callable[[], bool], timeout_seconds: float = 10) -> bool:
    give_up = time.monotonic() + timeout_seconds
    while not condition() and time.monotonic() < give_up:
        time.sleep(0.02)
    return condition()
