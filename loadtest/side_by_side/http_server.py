"""HTTP servers as children: started, waited for, stopped."""

import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from loadtest.servers.processes import child

_START_SECONDS = 180


class StartError(Exception):
    """A server did not start; the message has the end of its log."""


class HttpServer(NamedTuple):
    """A running server."""

    url: str
    pid: int


@contextmanager
def http_server(
    command: list[str], url: str, health: str, log: Path, environment: dict[str, str] | None = None
) -> Iterator[HttpServer]:
    """A child that serves HTTP at `url` while the block runs; it is up when `health` answers.

    Raises:
        StartError: it did not come up.
    """
    with child(command, log, environment=environment) as process:
        due = time.monotonic() + _START_SECONDS
        while not _answers(url + health):
            if process.poll() is not None or time.monotonic() > due:
                raise StartError(f"{Path(command[0]).name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
        yield HttpServer(url, process.pid)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - a URL of ours
            return bool(response.status == 200)
    except OSError:
        return False
