"""`routerdc envoy-config --watch`: renders again whenever endpoints.yaml has changed, until it is stopped.

The watcher moves files into place, clusters before the routes that name them. A cluster that has left endpoints.yaml
stays for a while, and so do the routes that let it be named: gateways may decide for it until they have read the file
too, and its streams can finish. A file that cannot be read changes nothing; the watcher prints why.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway.config.endpoints_file import EndpointsFile
from gateway.errors import EndpointsError
from gateway.pool.clusters import Cluster, clusters_in_use
from routerdc_contract.whole_file import write_whole

LOOK_SECONDS = 0.25
KEEP_SECONDS = 60.0

Files = dict[Path, dict[str, Any]]
"""Content by path, in the order in which it is to be written."""


class Watcher:
    """Keeps the files of one Envoy as its endpoints.yaml says."""

    def __init__(
        self,
        endpoints: Path,
        read: Callable[[], EndpointsFile],
        render: Callable[[EndpointsFile, Sequence[Cluster]], Files],
        write: Callable[[dict[str, Any]], str],
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Has written nothing yet.

        Args:
            endpoints: the file to look at.
            read: gives what it says.
            render: gives the files for that, with clusters that are leaving.
            write: turns content into text.
            tell: gets a line for people.
            clock: gives seconds.
        """
        self._endpoints = endpoints
        self._read = read
        self._render = render
        self._write = write
        self._tell = tell
        self._clock = clock
        self._is_written = True
        self._seen: tuple[int, ...] | None = None
        self._written: dict[Path, str] = {}
        self._file: EndpointsFile | None = None
        self._clusters: dict[str, Cluster] = {}
        self._leaving: dict[str, tuple[Cluster, float]] = {}  # by name, with when they end

    def look(self) -> None:
        """Renders if the file is another than at the last look, and drops clusters whose time is over.

        Raises:
            EndpointsError: it cannot be used; what was written before stays.
            OSError: the files cannot be written (a full disk, say); the next look tries again.
        """
        version = _version(self._endpoints)
        if version != self._seen:
            self._seen = version
            self._file = self._read()
            self._retire(self._file)
            self._is_written = False
        elif self._is_written and not any(self._clock() >= end for _, end in self._leaving.values()):
            return
        if self._file is not None:
            self._put(self._file)
            self._is_written = True

    def run(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Looks until the process ends."""
        problem = ""
        while True:
            try:
                self.look()
                problem = ""
            except EndpointsError as error:
                self._tell(f"Not used: {error}")
            except OSError as error:
                before, problem = problem, f"Not written, and tried again: {error}"
                if problem != before:
                    self._tell(problem)
            sleep(LOOK_SECONDS)

    def _retire(self, file: EndpointsFile) -> None:
        """Clusters that are not in `file` any more begin to leave."""
        now = {cluster.name: cluster for cluster in clusters_in_use(file.llms)}
        end = self._clock() + KEEP_SECONDS
        self._leaving |= {name: (one, end) for name, one in self._clusters.items() if name not in now}
        self._leaving = {name: kept for name, kept in self._leaving.items() if name not in now}
        self._clusters = now

    def _put(self, file: EndpointsFile) -> None:
        self._leaving = {name: kept for name, kept in self._leaving.items() if self._clock() < kept[1]}
        for path, content in self._render(file, [cluster for cluster, _ in self._leaving.values()]).items():
            if (text := self._write(content)) != self._written.get(path):
                write_whole(path, text)
                self._written[path] = text
        self._tell(f"Written: {len(self._clusters)} clusters of {self._endpoints}")


def _version(path: Path) -> tuple[int, ...] | None:
    """What tells one content of `path` from another, behind whatever links; None where there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size
