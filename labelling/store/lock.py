"""One writer at a time: two collectors on one store would ask everything twice."""

import fcntl
import os
from pathlib import Path
from typing import IO, Any

from labelling.errors import StoreError


def only_writer(path: Path) -> IO[Any]:
    """A lock beside `path`, held until it is closed or the process ends.

    Raises:
        StoreError: another process holds it, or the folder cannot be written.
    """
    try:
        file = open(os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "w")  # noqa: SIM115
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StoreError(f"{path}: another process is using this store: wait until it has ended") from None
    return file
