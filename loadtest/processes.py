"""CPU time and memory of processes and of all that they have started (proc_pid_stat(5), proc_pid_status(5)). Linux."""

import os
import re
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def tree(*roots: int) -> list[int]:
    """`roots` and their descendants that run now."""
    found, left = list[int](), list(roots)
    while left:
        pid = left.pop()
        found.append(pid)
        left += _children(pid)
    return found


def cpu_seconds(*roots: int) -> float:
    """User and system time of the trees, all threads; that of processes that have ended meanwhile is missing."""
    return sum(map(_cpu_seconds, tree(*roots)))


def peak_memory_bytes(*roots: int) -> int:
    """Sum of the processes' largest resident sets so far; pages that they share count for each of them."""
    return sum(map(_peak_memory_bytes, tree(*roots)))


def _children(pid: int) -> list[int]:
    found = list[int]()
    for task in _PROC.glob(f"{pid}/task/*/children"):
        found += map(int, _read(task).split())
    return found


def _cpu_seconds(pid: int) -> float:
    fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND if fields else 0.0


def _peak_memory_bytes(pid: int) -> int:
    peak = _PEAK.search(_read(_PROC / str(pid) / "status"))
    return int(peak[1]) * 1024 if peak else 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return ""
