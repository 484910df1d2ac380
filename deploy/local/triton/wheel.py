"""The wheel that holds tritonserver: installed beside this package, or fetched once into the user's cache.

Only the wheel's files are wanted. What it asks for (an older grpcio) conflicts with what the gateway needs, so it
cannot be a requirement of ours, and pip is asked for it without its requirements.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import click

WHEEL, VERSION = "nvidia-pytriton", "0.7.0"
PACKAGE = "pytriton"
CURE = f"install it by hand: pip install --no-deps {WHEEL}=={VERSION}"


class FetchError(RuntimeError):
    """The wheel could not be fetched; the message says what to do instead."""


def package_folder() -> Path:
    """The folder of the package `pytriton`, fetched now where it is not there yet.

    Raises:
        FetchError: it could not be fetched.
    """
    spec = find_spec(PACKAGE)  # a top-level package: its code does not run
    if spec and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0])
    cached = _cache() / f"{WHEEL}-{VERSION}-py{sys.version_info.major}.{sys.version_info.minor}"
    if not cached.is_dir():
        _fetch(cached)
    return cached / PACKAGE


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "routerdc-triton"


def _fetch(folder: Path) -> None:
    """Puts the wheel's files into `folder`, which appears when it is whole."""
    click.echo(f"fetching tritonserver ({WHEEL} {VERSION}, once) into {folder} …", err=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as draft:
        options = ["--no-deps", "--only-binary", ":all:", "--target", f"{draft}/wheel", f"{WHEEL}=={VERSION}"]
        if subprocess.run([*_installer(), *options], stdout=sys.stderr, check=False).returncode:
            raise FetchError(f"tritonserver could not be fetched from the package index; {CURE}")
        try:
            Path(draft, "wheel").rename(folder)
        except OSError:
            if not folder.is_dir():  # another process may have been faster
                raise


def _installer() -> list[str]:
    """The command that installs packages for this Python: pip, or uv where the environment has no pip."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-compile"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    raise FetchError(f"tritonserver is not installed, and neither pip nor uv is there to fetch it; {CURE}")
