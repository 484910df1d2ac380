"""Other programs as children: started with their output in a log, ended when the block ends. Knows none of them."""

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROUTERDC = str(Path(sys.executable).with_name("routerdc"))
STOP_SECONDS = 20


@contextmanager
def child(
    command: Sequence[str],
    log: Path,
    *,
    stop_seconds: float = STOP_SECONDS,
    environment: Mapping[str, str] | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """`command` while the block runs; `environment` in place of this process's."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        wait_or_kill(process, stop_seconds)


def wait_or_kill(process: "subprocess.Popen[bytes]", stop_seconds: float = STOP_SECONDS) -> None:
    """Gives a child that has been asked to end `stop_seconds` for it."""
    try:
        process.wait(stop_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """`count` different ports that are free now; another process may take one before it is used."""
    with ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]
