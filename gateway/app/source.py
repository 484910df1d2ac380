"""Files that belong together, and what was in them when they were used last."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from gateway.errors import GatewayError

T = TypeVar("T")

_Version = list[tuple[int, ...] | None]


class Found(NamedTuple):
    """What a look has found: a version that is whole, with its content or what is wrong with it."""

    version: _Version
    content: Any
    problem: str | None


class Source(Generic[T]):
    """One watched content. Looks happen in a thread, one at a time; everything else on the event loop."""

    def __init__(self, name: str, paths: Sequence[Path], read: Callable[[], T]) -> None:
        self.name = name
        self.problem: str | None = None
        self._paths = paths
        self._read = read
        self._use: Callable[[T], None] = lambda content: None
        self._seen = self._used = self._version()  # before reading: a change from here on is noticed
        self.content = read()

    def on_change(self, use: Callable[[T], None]) -> None:
        """`use` takes new content, on the event loop; it may refuse it by raising GatewayError, changing nothing."""
        self._use = use

    @property
    def outcome(self) -> tuple[_Version, str | None]:
        """Which version was read last, and what was wrong with it."""
        return self._used, self.problem

    def look(self, told: bool) -> Found | None:
        """Reads what is new and has settled, what was refused, and (`told`) what has not changed; else None.

        None also where the files change while they are read.
        """
        before, self._seen = self._seen, self._version()
        is_due = self._seen == before and (self._seen != self._used or self.problem is not None)
        if not (is_due or told):
            return None
        version, content, problem = self._version(), None, None
        try:
            content = self._read()
        except GatewayError as error:
            problem = str(error)
        return Found(version, content, problem) if self._version() == version else None

    def take(self, found: Found) -> None:
        """Has what was found used, or keeps the old content and says what is wrong with the new one."""
        problem = found.problem
        if problem is None:
            try:
                self._use(found.content)
                self.content = found.content
            except GatewayError as error:
                problem = str(error)
        self._used, self.problem = found.version, problem

    def is_other(self) -> bool:
        """Whether other files are there than at the last look, whatever is in them."""
        return _places(self._version()) != _places(self._seen)

    def _version(self) -> _Version:
        return [_version(path) for path in self._paths]


def _version(path: Path) -> tuple[int, ...] | None:
    """What tells one content of `path` from another; None where there is no file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size


def _places(version: _Version) -> _Version:
    """Device and inode alone: a FIFO's time changes while it is written to."""
    return [found and found[:2] for found in version]
