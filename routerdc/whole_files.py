"""Files that belong together: all of them take their places, or what was there before stays as it is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def files_of(folder: Path, *, last: str) -> Iterator[Path]:
    """A draft of `folder` (made if need be), whose files move there when the block ends.

    Where it fails, on a full disk say, nothing has changed. `last`: the file that says what the others are, so that a
    reader can tell what was only half moved.

    Raises:
        OSError: they cannot be written; it names `folder`.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".draft-") as draft:
            yield Path(draft)
            for name in sorted(os.listdir(draft), key=lambda name: name == last):
                Path(draft, name).replace(folder / name)
    except BaseException as error:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError) and error.filename is None:
            raise OSError(error.errno, error.strerror, str(folder)) from None
        raise
