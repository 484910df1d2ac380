"""CPU time, memory and cores of processes and of all that they have started. Linux.

Sources: clock_getcpuclockid(3), proc_pid_status(5), proc_pid_task(5).
"""

import os
import re
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path

_PROC = Path("/proc")
_CPUCLOCK_SCHED = 2
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def tree(*roots: int) -> list[int]:
    """`roots` and their descendants that run now."""
    found, left = list[int](), list(roots)
    while left:
        pid = left.pop()
        found.append(pid)
        left += _children(pid)
    return found


def all_cores() -> set[int]:
    """Those that this process may use."""
    return os.sched_getaffinity(0)


def apart() -> tuple[set[int], set[int]]:
    """One core, and the others; the same one twice where there is no other."""
    cores = all_cores()
    one = {max(cores)}
    return one, cores - one or one


@contextmanager
def on_cores(cores: Set[int]) -> Iterator[None]:
    """This process runs on `cores` during the block, and what is started in it for its whole life.

    On one core the CPU time of two equal processes differs by a fiftieth; where threads come to lie on several, by a
    tenth.
    """
    before = all_cores()
    _move(cores)
    try:
        yield
    finally:
        _move(before)


def _move(cores: Set[int]) -> None:
    for task in Path("/proc/self/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(int(task.name), cores)


def cpu_seconds(*roots: int, command: str = "") -> float:
    """User and system time of the trees, all threads; processes that have ended in the meantime are missing.

    `command`: only processes that have this in their command line.
    """
    return sum(_cpu_seconds(pid) for pid in tree(*roots) if command in _read(_PROC / str(pid) / "cmdline"))


def peak_memory_bytes(*roots: int) -> int:
    """Sum of the processes' largest resident sets so far; pages that they share count for each of them."""
    return sum(map(_peak_memory_bytes, tree(*roots)))


def _children(pid: int) -> list[int]:
    found = list[int]()
    for task in _PROC.glob(f"{pid}/task/*/children"):
        found += map(int, _read(task).split())
    return found


def _cpu_seconds(pid: int) -> float:
    """By the process's own clock: /proc counts ticks of 10 ms, a tenth of a short round."""
    try:
        return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)
    except OSError:  # it has ended
        return 0.0


def _peak_memory_bytes(pid: int) -> int:
    peak = _PEAK.search(_read(_PROC / str(pid) / "status"))
    return int(peak[1]) * 1024 if peak else 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return ""
