"""NVIDIA's perf_analyzer, the load generator of Triton's own documentation.

It is taken out of an old tritonclient wheel and runs with libraries of the nvidia-pytriton wheel.

Latencies come from its profile, which holds the times of every request, so that they are counted as ours are. It
counts them from when a request was sent.
"""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from loadtest.closed_loop.chat_overhead import percentile
from routerdc_contract.tensors import QUERY, ROUTER_MODEL

WHEEL = "tritonclient==2.40.0"  # the last one with the binary inside
MEMBER = "tritonclient-2.40.0.data/data/bin/perf_analyzer"
# What the binary asks for, and what the wheel calls it.
LIBRARIES = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12*"}
DOWNLOAD_TIMEOUT_SECONDS = 120
_WINDOWS = 3  # it looks at this many before it calls a measurement stable
# We want its figures, stable or not.
_ANY_WILL_DO = ("--stability-percentage=100000", f"--max-trials={_WINDOWS}", "--measurement-mode=time_windows")


class UnavailableError(RuntimeError):
    """The tool cannot be had or run here; the message says why."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What it saw."""

    seconds: float
    took_ms: Sequence[float]

    @property
    def per_second(self) -> float:
        """Answers."""
        return len(self.took_ms) / self.seconds

    def latency_ms(self, share: float) -> float:
        """The percentile, `share` from 0 to 1."""
        return percentile(self.took_ms, share)


class PerfAnalyzer:
    """The installed tool."""

    def __init__(self, folder: Path) -> None:
        """Downloads it into `folder` where it is not there yet.

        Raises:
            UnavailableError: no network, not in the package index, or nvidia-pytriton is not installed.
        """
        self._binary = _install(folder)
        self._environment = _environment(folder)

    def closed_loop(self, address: str, queries: Sequence[str], concurrency: int, seconds: float) -> Measurement:
        """`concurrency` callers that each wait for their answer.

        Raises:
            UnavailableError: it ended with an error; the message has its output.
        """
        return self._measure(address, queries, seconds, f"--concurrency-range={concurrency}")

    def poisson(self, address: str, queries: Sequence[str], per_second: float, seconds: float) -> Measurement:
        """Poisson arrivals. Raises as `closed_loop`."""
        return self._measure(
            address, queries, seconds, "--async", f"--request-rate-range={per_second}", "--request-distribution=poisson"
        )

    def _measure(self, address: str, queries: Sequence[str], seconds: float, *load: str) -> Measurement:
        with TemporaryDirectory() as name:
            data, profile = Path(name) / "queries.json", Path(name) / "profile.json"
            data.write_text(json.dumps({"data": [{QUERY: [query]} for query in queries]}), encoding="utf-8")
            window = f"--measurement-interval={round(seconds / _WINDOWS * 1000)}"
            files = (f"--input-data={data}", f"--profile-export-file={profile}")
            self._run("-m", ROUTER_MODEL, "-i", "grpc", "-u", address, *files, *load, window, *_ANY_WILL_DO)
            return _read(json.loads(profile.read_text()))

    def _run(self, *arguments: str) -> None:
        run = subprocess.run(
            [str(self._binary), *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            raise UnavailableError(f"perf_analyzer failed: {(run.stdout + run.stderr)[-2000:]}")


def _read(profile: dict[str, Any]) -> Measurement:
    requests = profile["experiments"][0]["requests"]
    spans = [(one["timestamp"], one["response_timestamps"][-1]) for one in requests]
    seconds = (max(end for _, end in spans) - min(begin for begin, _ in spans)) / 1e9
    return Measurement(seconds, [(end - begin) / 1e6 for begin, end in spans])


def _install(folder: Path) -> Path:
    binary = folder / "perf_analyzer"
    if not binary.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draft = binary.with_suffix(".draft")
        with zipfile.ZipFile(_download(folder)) as wheel:
            draft.write_bytes(wheel.read(MEMBER))
        draft.chmod(0o755)
        draft.rename(binary)
    return binary


def _environment(folder: Path) -> dict[str, str]:
    """An environment in which the binary finds its libraries, by links in `folder`."""
    try:
        libraries = Path(str(metadata.distribution("nvidia-pytriton").locate_file("nvidia_pytriton.libs")))
        for name, pattern in LIBRARIES.items():
            link = folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(next(libraries.glob(pattern)))
    except (metadata.PackageNotFoundError, StopIteration):
        raise UnavailableError("perf_analyzer needs libraries of the package nvidia-pytriton") from None
    return {**os.environ, "LD_LIBRARY_PATH": f"{folder.absolute()}{os.pathsep}{libraries}"}


def _download(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command = [*pip, "--platform=manylinux1_x86_64", f"--dest={folder}", WHEEL]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_SECONDS)
    except subprocess.CalledProcessError as error:
        raise UnavailableError(f"{WHEEL} cannot be downloaded: {error.stderr.strip().splitlines()[-1:]}") from None
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{WHEEL} was not downloaded in {DOWNLOAD_TIMEOUT_SECONDS} s") from None
    return next(folder.glob("tritonclient-*.whl"))
