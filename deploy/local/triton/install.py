"""Where the tritonserver inside the nvidia-pytriton wheel lies, and what it needs around it to run.

The wheel is left as it is: the Python backend's stub for the running Python is linked beside the backend's library in a
folder of our own.
"""

import ctypes
import os
import platform
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from deploy.local.triton.wheel import FetchError, package_folder

PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
STUB = "triton_python_backend_stub"
CONTAINER_HINT = "or start NVIDIA's Triton container on the same model repository (see README)"


class UnsupportedPlatformError(RuntimeError):
    """The embedded Triton cannot run here; the message says why and what to do instead."""


@dataclass(frozen=True)
class TritonInstall:
    """The parts of the wheel."""

    server: Path
    libraries: Path
    python_backend: Path
    stub: Path
    caches: Path

    def link_backends(self, folder: Path) -> None:
        """Makes `folder` a backend directory: the wheel's Python backend with the stub for this Python beside it."""
        python = folder / "python"
        python.mkdir(parents=True, exist_ok=True)
        for source in (*self.python_backend.iterdir(), self.stub):
            link = python / source.name
            if source.is_file() and link.resolve() != source.resolve():
                link.unlink(missing_ok=True)
                link.symlink_to(source)

    def environment(self) -> dict[str, str]:
        """This process's environment, in which server and stub find their libraries and our Python packages.

        The stub embeds an isolated interpreter, which ignores PYTHONPATH; it takes the packages of the first `python3`
        on PATH, virtual environments included.
        """
        libraries = [str(self.libraries), sysconfig.get_config_var("LIBDIR")]
        return {
            **os.environ,
            "LD_LIBRARY_PATH": _prepended("LD_LIBRARY_PATH", *libraries),
            "PATH": _prepended("PATH", str(Path(sys.executable).parent)),
        }


def find_triton() -> TritonInstall:
    """The tritonserver of the nvidia-pytriton wheel, which is fetched once where it is not installed.

    Raises:
        UnsupportedPlatformError: wrong platform or Python, or the wheel cannot be fetched.
    """
    _check_platform()
    try:
        package = package_folder()
    except FetchError as error:
        raise UnsupportedPlatformError(f"{error}, {CONTAINER_HINT}") from None
    root = package / "tritonserver"
    stub = root / "python_backend_stubs" / PYTHON_VERSION / STUB
    if not stub.is_file():
        raise UnsupportedPlatformError(
            f"the installed nvidia-pytriton has no Triton stub for Python {PYTHON_VERSION}: "
            f"use one of {', '.join(_stub_versions(root))}, {CONTAINER_HINT}"
        )
    _check_libpython()
    return TritonInstall(
        server=root / "bin" / "tritonserver",
        libraries=package.parent / "nvidia_pytriton.libs",
        python_backend=root / "backends" / "python",
        stub=stub,
        caches=root / "caches",
    )


def _check_platform() -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise UnsupportedPlatformError(
            f"the embedded Triton runs on Linux x86-64, not on {sys.platform} {platform.machine()}: "
            f"use such a machine, {CONTAINER_HINT}"
        )


def _check_libpython() -> None:
    """The stub embeds Python, so it needs Python as a shared library: beside this interpreter, or in the system."""
    name = f"libpython{PYTHON_VERSION}.so.1.0"
    if (Path(sysconfig.get_config_var("LIBDIR")) / name).is_file():
        return
    try:
        ctypes.CDLL(name)
    except OSError:
        raise UnsupportedPlatformError(
            f"Triton's Python backend needs {name}, which this Python ({sys.executable}) lacks: "
            f"install libpython{PYTHON_VERSION} or a Python built with --enable-shared, {CONTAINER_HINT}"
        ) from None


def _prepended(variable: str, *folders: str) -> str:
    return os.pathsep.join(filter(None, [*folders, os.environ.get(variable, "")]))


def _stub_versions(root: Path) -> list[str]:
    folders = (root / "python_backend_stubs").glob(f"*/{STUB}")
    return sorted((stub.parent.name for stub in folders), key=lambda version: int(version.partition(".")[2]))
