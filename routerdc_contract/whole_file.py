"""A file that is there whole or not at all, whatever happens while it is written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PRIVATE = 0o600
_AS_THE_UMASK_SAYS = 0o666


@contextmanager
def whole_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """An empty draft beside `path` (its folder is made if need be), which becomes `path` when the block ends.

    Readers find the old content or the new one. Where the block or the disk fails, `path` stays as it is and the
    draft goes. Each process has a draft of its own, with the ending of `path`. Links are followed; a pipe or a device
    (/dev/stdout) has no old content to keep and is itself what is yielded.

    Args:
        path: the file.
        private: for its owner's eyes only (0600), whatever the umask says.

    Raises:
        OSError: it cannot be written; it names `path`.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        yield target
        return
    draft = target.with_name(f".draft-{os.getpid()}-{path.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)  # one that was left behind may be readable by others
        draft.touch(_PRIVATE if private else _AS_THE_UMASK_SAYS)
        yield draft
        draft.replace(target)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        ours = {None, *map(str, (draft, *target.parents))}
        if isinstance(error, OSError) and (error.filename and str(error.filename)) in ours:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes `content` (text as UTF-8) to `path` by `whole_file`.

    Raises:
        OSError: it cannot be written; it names `path`.
    """
    with whole_file(path) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
