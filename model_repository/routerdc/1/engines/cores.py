"""How many cores this process may use: what it may run on, and what its container's quota pays for.

A container with a CPU limit sees every core of its node; with a thread on each of them it would use up its quota in the
first milliseconds of a period and stand still for the rest.
"""

import math
import os
from pathlib import Path

CPU_FILE = Path("/proc/cpuinfo")
VNNI_FLAGS = {"avx512_vnni", "avx_vnni"}
QUOTA_FILE = Path("/sys/fs/cgroup/cpu.max")  # cgroup v2: "200000 100000" (µs in a period of µs), or "max 100000"


def usable_cores(quota_file: Path = QUOTA_FILE) -> int:
    """Whole cores, at least one."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = quota_file.read_text().split()
    except (OSError, ValueError):
        return cores  # no cgroup v2, no limit
    return cores if quota == "max" else max(1, min(cores, math.ceil(int(quota) / int(period))))


def has_vnni(cpu_file: Path = CPU_FILE) -> bool:
    """Whether this processor adds up products of 8-bit numbers in 32 bits; no where nothing tells."""
    try:
        lines = cpu_file.read_text().splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return not VNNI_FLAGS.isdisjoint(flags)
