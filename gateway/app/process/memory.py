"""Gives memory back to the system after a peak: the C library keeps what Python and grpc have freed.

Only glibc has `malloc_trim`; with another C library nothing happens.
"""

import asyncio
import ctypes
import os
from collections import deque
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from gateway.config.file_reads import start_read

LOOK_SECONDS = 1.0
GROWTH_BYTES = 16 * 1024 * 1024  # since the last time; less is not worth it
LATER_LOOKS = 2, 4, 8, 16, 32, 64, 128, 256, 512
_PAGE_BYTES = 4096
_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """The memory that this process holds; 0 where the system does not tell.

    The file stays open: a process without a free file descriptor has to know, too.
    """
    if (file := _statm(os.getpid())) is None:
        return 0
    return int(os.pread(file, 128, 0).split()[1]) * _PAGE_BYTES


@cache
def _statm(_process: int) -> int | None:
    """A descriptor of the file that tells the memory; a child process has to open its own."""
    try:
        return os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def c_library_trim() -> Callable[[int], Any] | None:
    """`malloc_trim`, where there is one; None also where the memory held cannot be read."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if _STATM.exists() else None


async def give_back(trim: Callable[[int], Any] | None, resident: Callable[[], int] = resident_bytes) -> None:
    """Looks for ever; where the process has grown, what is free in it goes back to the system, in a thread.

    And again at later looks: what it grew by is often still in use at first.
    """
    if trim is None:
        return
    least, due = resident(), deque[int]()
    for look in count():
        await asyncio.sleep(LOOK_SECONDS)
        if resident() - least > GROWTH_BYTES:
            due = deque([look, *(look + later for later in LATER_LOOKS)])
        if due and look >= due[0]:
            due.popleft()
            await start_read("malloc_trim", lambda: trim(0))
            least = resident()
        least = min(least, resident())
