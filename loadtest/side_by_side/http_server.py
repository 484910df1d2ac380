"""HTTP servers as children: started, waited for, stopped."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from deploy.local.processes.process import ChildProcess, ProcessError
from loadtest.servers.processes import STOP_SECONDS

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
    name = Path(command[0]).name
    with ChildProcess(name, command, log=log, environment=environment, stop_seconds=STOP_SECONDS) as process:
        try:
            process.wait_ready(lambda: _answers(url + health), _START_SECONDS)
        except ProcessError as error:
            raise StartError(str(error)) from None
        yield HttpServer(url, process.pid)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - a URL of ours
            return bool(response.status == 200)
    except OSError:
        return False
