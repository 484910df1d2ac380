"""The service of `make run` as a load test needs it: the one that runs already, or one of its own on free ports."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from deploy.local.processes.process import ChildProcess, ProcessError
from loadtest.servers.processes import ROUTERDC, free_ports

_START_SECONDS = 300  # an export of the bundle may come first
_STOP_SECONDS = 60
_READY = "Serving until"


class StackError(Exception):
    """The service did not start; the message has the end of its log."""


class Stack(NamedTuple):
    """Where a service is reached."""

    gateway_address: str
    triton_address: str
    openai_url: str


MAKE_RUN = Stack("127.0.0.1:50051", "127.0.0.1:8001", "http://127.0.0.1:10000/v1")


@contextmanager
def running_or_own(folder: Path) -> Iterator[Stack]:
    """`make run`'s where all of it listens, else as `own`."""
    if all(map(_listens, (MAKE_RUN.gateway_address, MAKE_RUN.triton_address, urlsplit(MAKE_RUN.openai_url).netloc))):
        yield MAKE_RUN
        return
    with own(folder) as stack:
        yield stack


@contextmanager
def own(folder: Path) -> Iterator[Stack]:
    """A service on free ports while the block runs; `folder` gets its model repository and logs.

    Raises:
        StackError: it did not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    gateway, triton, envoy = free_ports(3)
    ports = {"gateway": gateway, "triton-grpc": triton, "envoy": envoy}
    ports |= dict.fromkeys(("gateway-metrics", "triton-http", "triton-metrics", "console"), 0)
    flags = [f"--{name}-port={port}" for name, port in ports.items()]
    log = folder / "stack.log"
    command = [ROUTERDC, "demo", f"--folder={folder}", *flags]
    with ChildProcess("routerdc demo", command, log=log, stop_seconds=_STOP_SECONDS) as process:
        try:
            process.wait_ready(lambda: _READY in log.read_text(errors="replace"), _START_SECONDS)
        except ProcessError as error:
            raise StackError(str(error)) from None
        yield Stack(f"127.0.0.1:{gateway}", f"127.0.0.1:{triton}", f"http://127.0.0.1:{envoy}/v1")


def _listens(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0
