"""Files that may change under a running gateway: noticed, checked, and only then used.

A file is looked at every now and then, and at once on SIGHUP. What counts is the file behind the path (device, inode,
time, size), so that Kubernetes' swap of a ConfigMap's symbolic link is a change like any other. A new content is used
when it has stayed the same from one look to the next and while it was read, so that nothing half-written is. What
cannot be used is counted and logged once, the old state stays, and every look tries again: it may be a matter of time,
as when endpoints.yaml comes before the bundle that it belongs to.

Does not know what is in the files.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog

from gateway.errors import GatewayError
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger("gateway.app.reload")

T = TypeVar("T")

_Version = list[tuple[int, ...] | None]


class Source(Generic[T]):
    """Files that belong together, and what was in them when they were used last."""

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

    def is_due(self) -> bool:
        """Looks: is there something new that has settled, or something that was refused?"""
        before, self._seen = self._seen, self._version()
        return self._seen == before and (self._seen != self._used or self.problem is not None)

    @property
    def outcome(self) -> tuple[_Version, str | None]:
        """Which version was read last, and what was wrong with it."""
        return self._used, self.problem

    async def reload(self) -> bool:
        """Reads the files in a thread and uses them. False: they changed while they were read, so they are not used."""
        version, problem = self._version(), None
        try:
            content = await asyncio.to_thread(self._read)
            if self._version() != version:
                return False
            self._use(content)
            self.content = content
        except GatewayError as error:
            if self._version() != version:
                return False
            problem = str(error)
        self._used, self.problem = version, problem
        return True

    def _version(self) -> _Version:
        return [_version(path) for path in self._paths]


class Reloader:
    """Watches sources."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._sources: list[Source[Any]] = []
        self._signalled = asyncio.Event()

    def source(self, name: str, paths: Sequence[Path], read: Callable[[], T]) -> Source[T]:
        """What `read` makes of `paths`, watched from now on.

        Args:
            name: label of the metrics.
            paths: files that belong together; links are followed.
            read: gives their content.

        Raises:
            GatewayError: `read` raises it where they are wrong.
        """
        source = Source(name, paths, read)
        self._sources.append(source)
        self._metrics.watched(name)
        return source

    @asynccontextmanager
    async def watching(self, interval_seconds: float) -> AsyncIterator[None]:
        """Looks every `interval_seconds` while the block runs; SIGHUP reads everything again at once."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._signalled.set)
        task = asyncio.create_task(self._watch(interval_seconds))
        try:
            yield
        finally:
            task.cancel()
            loop.remove_signal_handler(signal.SIGHUP)

    async def _watch(self, interval_seconds: float) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._signalled.wait(), interval_seconds)
            told = self._signalled.is_set()
            self._signalled.clear()
            for source in self._sources:
                try:
                    await self._look(source, told)
                except Exception:  # a defect; but a watcher that died would never look again
                    log.exception("reloading failed", file=source.name)

    async def _look(self, source: Source[Any], told: bool) -> None:
        if not (source.is_due() or told):
            return
        before = source.outcome
        if not await source.reload():
            return  # half-written, perhaps; the next looks find what has become of it
        ok = source.problem is None
        if ok or told or source.outcome != before:
            self._metrics.reload(source.name, ok)
            if ok:
                log.info("reloaded", file=source.name)
            else:
                log.warning("not reloaded: the old content stays in use", file=source.name, problem=source.problem)


def _version(path: Path) -> tuple[int, ...] | None:
    """What tells one content of `path` from another; None where there is no file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size
