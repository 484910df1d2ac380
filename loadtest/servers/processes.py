"""What programs that are started here share: the command, free ports, and how a child with pipes is ended."""

import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

ROUTERDC = str(Path(sys.executable).with_name("routerdc"))
STOP_SECONDS = 20


def routerdc_of(checkout: Path) -> list[str]:
    """The command of another checkout: in the environment that it has in `.venv`; where there is none, in this one."""
    own = checkout / ".venv" / "bin" / "routerdc"
    return ["env", f"PYTHONPATH={checkout.resolve()}", str(own.absolute()) if own.is_file() else ROUTERDC]


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
