"""A copy of a folder that is there whole or not at all."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path


def copy_folder(origin: Path, target: Path, copy: Callable[[Path, Path], object] = shutil.copyfile) -> None:
    """Copies all files of `origin` but compiled Python to `target`, which must not be there; a half copy goes.

    shutil's own goes on where the disk is full, and ends with an error that says neither what failed nor why.

    Raises:
        OSError: the first file that could not be copied; it names the file.
    """
    try:
        for name, folders, files in os.walk(origin):
            folders[:] = [folder for folder in folders if folder != "__pycache__"]
            (made := target / Path(name).relative_to(origin)).mkdir()
            for file in files:
                copy(Path(name, file), made / file)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
