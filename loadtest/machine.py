"""Where and with what a benchmark ran: facts that explain why two runs differ.

Instruction sets decide more than a processor's name does, which clouds do not even tell: an int8 product takes twice as
long without VNNI, and of two generations with the same instructions one computes twice as much in a cycle. So family,
model, instructions, cores and the clock are what makes two machines alike (`same_class`).
"""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

VNNI = "VNNI"
INSTRUCTIONS = {
    "AVX2": ("avx2",),
    "AVX-512": ("avx512f",),
    VNNI: ("avx512_vnni", "avx_vnni"),
    "bf16": ("avx512_bf16",),
    "AMX": ("amx_tile",),
    "dot product": ("asimddp",),
    "int8 matrices": ("i8mm",),
}
"""What engines compute with, by the flags of /proc/cpuinfo that say so; the last two are Arm's"""
_SAME = ("processor", "generation", "instructions", "cores")
_CLOCK_TOLERANCE = 0.15
_CPUINFO = Path("/proc/cpuinfo")
_PACKAGES = ("routerdc-triton", "grpcio", "protobuf", "tritonclient", "nvidia-pytriton", "onnxruntime")


def describe() -> dict[str, Any]:
    """Cores, processor with its instructions and clock, load at this moment, versions and commit."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "generation": _generation(),
        "instructions": instructions(),
        "clock_ghz": _clock_ghz(),
        "system": f"{platform.system()} {platform.release()}",
        "load_average_before": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "commit": _commit(),
    }


def instructions(cpuinfo: Path = _CPUINFO) -> list[str]:
    """Which of `INSTRUCTIONS` this processor has."""
    flags = set((_fact("flags", cpuinfo) or _fact("Features", cpuinfo)).split())
    return [name for name, one_of in INSTRUCTIONS.items() if flags.intersection(one_of)]


def same_class(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether figures of two machines can be compared: the same processor and cores, and about the same clock.

    A clock that is not known (no /proc/cpuinfo) is like any other.
    """
    if any(one.get(fact) != other.get(fact) for fact in _SAME):
        return False
    clocks = [float(clock) for machine in (one, other) if (clock := machine.get("clock_ghz"))]
    return len(clocks) < 2 or max(clocks) <= min(clocks) * (1 + _CLOCK_TOLERANCE)


def _processor() -> str:
    return _fact("model name") or platform.machine()


def _generation(cpuinfo: Path = _CPUINFO) -> str:
    """Family and model: clouds hide a processor's name, and not these. Empty where there are none."""
    return " ".join(filter(None, (_fact(name, cpuinfo) for name in ("cpu family", "model\t", "CPU part"))))


def _clock_ghz(cpuinfo: Path = _CPUINFO) -> float | None:
    clock = _fact("cpu MHz", cpuinfo)
    return round(float(clock) / 1000, 1) if clock else None


def _fact(name: str, cpuinfo: Path = _CPUINFO) -> str:
    """Of the first core; empty where there is none."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """With "+ changes" where files that git knows differ from it."""
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit} + changes" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
