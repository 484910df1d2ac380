"""The folder of a service on this machine: writable, and used by one service at a time.

A second one would overwrite the endpoints.yaml and the model repository that the first one watches. The lock is the
kernel's: it goes with the process that holds it, however that ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.processes.process import ProcessError

LOCK = ".routerdc.lock"


class FolderError(ProcessError):
    """The folder cannot be used; the message says why and what to do."""


@contextmanager
def folder_of_its_own(folder: Path) -> Iterator[Path]:
    """`folder`, made where it is missing and locked while the block runs.

    Raises:
        FolderError: another service uses it, or it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise FolderError(f"{folder} cannot be written to ({error.strerror}): choose another with --folder") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FolderError(_in_use(folder, lock)) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield folder
    finally:
        os.close(lock)


def _in_use(folder: Path, lock: int) -> str:
    holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
    return (
        f"{folder} is used by another `routerdc serve` or `demo` (process {holder or 'unknown'}): "
        "stop it, or choose another folder with --folder"
    )
