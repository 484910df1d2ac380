"""Files that may change under a running gateway: noticed, checked, and only then used.

A file is looked at every now and then, and at once on SIGHUP. What counts is the file behind the path (device, inode,
time, size), so that Kubernetes' swap of a ConfigMap's symbolic link is a change like any other. A new content is used
when it has stayed the same from one look to the next and while it was read, so that nothing half-written is. What
cannot be used is counted and logged once, the old state stays, and every look tries again: it may be a matter of time,
as when endpoints.yaml comes before the bundle that it belongs to.

Each source is watched by itself, and a look that does not end (a dead file server) is counted, logged and told by
`hanging`: the others go on. It is given up once another file is at its path. Does not know what is in the files.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from gateway.app.source import Source
from gateway.config.file_reads import read_within, start_read
from gateway.errors import FileHangsError
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger("gateway.app.reload")

T = TypeVar("T")


class Reloader:
    """Watches sources."""

    def __init__(self, metrics: Metrics, timeout_seconds: float) -> None:
        """`timeout_seconds`: a look or a read that takes longer hangs."""
        self._metrics = metrics
        self._timeout_seconds = timeout_seconds
        self._sources: list[Source[Any]] = []
        self._hanging: dict[str, str] = {}

    def hanging(self, name: str) -> str | None:
        """Why the source `name` cannot be looked at, so that what it says may be out of date; None: it can."""
        return self._hanging.get(name)

    def source(self, name: str, paths: Sequence[Path], read: Callable[[], T]) -> Source[T]:
        """What `read` makes of `paths`, watched from now on.

        Args:
            name: label of the metrics.
            paths: files that belong together; links are followed.
            read: gives their content.

        Raises:
            FileHangsError: `read` does not end.
            GatewayError: `read` raises it where the files are wrong.
        """
        source: Source[T] = read_within(self._timeout_seconds, name, lambda: Source(name, paths, read))
        self._sources.append(source)
        self._metrics.watched(name)
        return source

    @asynccontextmanager
    async def watching(self, interval_seconds: float) -> AsyncIterator[None]:
        """Looks every `interval_seconds` while the block runs; SIGHUP reads everything again at once."""
        loop, signalled = asyncio.get_running_loop(), [asyncio.Event() for _ in self._sources]

        def signal_all() -> None:
            for event in signalled:
                event.set()

        loop.add_signal_handler(signal.SIGHUP, signal_all)
        watches = zip(self._sources, signalled, strict=True)
        tasks = [asyncio.create_task(self._watch(source, interval_seconds, event)) for source, event in watches]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            loop.remove_signal_handler(signal.SIGHUP)

    async def _watch(self, source: Source[Any], interval_seconds: float, signalled: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(signalled.wait(), interval_seconds)
            told = signalled.is_set()
            signalled.clear()
            try:
                await self._look(source, told)
            except Exception:  # a defect; but a watcher that died would never look again
                log.exception("reloading failed", file=source.name)

    async def _look(self, source: Source[Any], told: bool) -> None:
        before = source.outcome
        found = await self._within(source, start_read(source.name, partial(source.look, told)))
        if found is None:
            return  # nothing new, or half-written perhaps: the next looks find what has become of it
        source.take(found)
        ok = source.problem is None
        if ok or told or source.outcome != before:
            self._metrics.reload(source.name, ok)
            if ok:
                log.info("reloaded", file=source.name)
            else:
                log.warning("not reloaded: the old content stays in use", file=source.name, problem=source.problem)

    async def _within(self, source: Source[Any], look: "asyncio.Future[T]") -> T | None:
        """What `look` finds. If it hangs, that is reported, and it is waited for until it ends, or others are there."""
        done, _ = await asyncio.wait({look}, timeout=self._timeout_seconds)
        if not done:
            self._hanging[source.name] = str(FileHangsError(source.name, self._timeout_seconds))
            self._metrics.reload(source.name, ok=False)
            log.error("a file hangs: the old content stays in use", file=source.name, problem=self.hanging(source.name))
        try:
            if not done and await self._is_replaced(source, look):
                look.cancel()  # its thread is left behind
                return None
            return await look
        finally:
            if self._hanging.pop(source.name, None) is not None:
                self._metrics.watched(source.name)
                log.info("the file answers again, or another is there", file=source.name)

    async def _is_replaced(self, source: Source[Any], look: "asyncio.Future[Any]") -> bool:
        """Waits until `look` ends, or (then true) other files are there, which it would never see."""
        while not look.done():
            is_other = start_read(source.name, source.is_other)
            await asyncio.wait([look, is_other], return_when=asyncio.FIRST_COMPLETED)
            if is_other.done() and is_other.result():
                return True
            await asyncio.wait([look], timeout=self._timeout_seconds)
        return False
