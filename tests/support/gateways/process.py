"""The gateway as people start it: a process of its own, which faults can be done to."""

import json
import os
import random
import resource
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

from deploy.local.processes.process import ChildProcess
from deploy.local.stack import ROUTERDC

START_SECONDS = 60.0
STOP_SECONDS = 20.0


class GatewayProcess:
    """`routerdc gateway` while the block runs; settings are those of gateway/config/settings.py."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None, **settings: Any) -> None:
        """`folder` gets its log and its ports; it must be its own."""
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "gateway.log"
        self._ports_file = folder / "ports.json"
        chosen = {"port": 0, "metrics_port": 0, "ports_file": self._ports_file} | settings
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
        self.process = ChildProcess(
            "gateway",
            [str(ROUTERDC), "gateway", *flags],
            log=self.log,
            environment={**os.environ, **(environment or {})},
        )

    def start(self) -> None:
        """Returns when it serves."""
        self._ports_file.unlink(missing_ok=True)
        self.process.start()
        self.process.wait_ready(self._ports_file.is_file, START_SECONDS)

    @property
    def address(self) -> str:
        """host:port of gRPC."""
        return f"127.0.0.1:{self._ports['grpc']}"

    @property
    def ext_proc_address(self) -> str:
        """host:port for Envoy; needs the setting `ext_proc_port`."""
        return f"127.0.0.1:{self._ports['ext_proc']}"

    @property
    def http_address(self) -> str:
        """host:port of the HTTP API; needs the setting `http_port`."""
        return f"127.0.0.1:{self._ports['http']}"

    @property
    def _ports(self) -> dict[str, Any]:
        ports: dict[str, Any] = json.loads(self._ports_file.read_text(encoding="utf-8"))
        return ports

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        os.kill(self.process.pid, number)

    def children(self) -> list[int]:
        """Process ids of its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="utf-8")
        return [pid for pid in map(int, children.split()) if "spawn_main" in _command_line(pid)]

    def limit(self, what: int, soft: int) -> None:
        """Changes a resource limit of the running process."""
        resource.prlimit(self.process.pid, what, (soft, resource.prlimit(self.process.pid, what)[1]))

    def open_files(self) -> int:
        """Its file descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_mib(self) -> float:
        """Resident memory."""
        return resident_mib(self.process.pid)

    def peak_mib(self) -> float:
        """The most memory that it has ever held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of `name` whose labels hold `labels`."""
        with urlopen(f"http://127.0.0.1:{self._ports['metrics']}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = (line for line in lines if line.partition("{")[0].partition(" ")[0] == name)
        return sum(float(line.rpartition(" ")[2]) for line in found if all(label in line for label in wanted))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.process.stop(STOP_SECONDS)


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize() / 2**20


def lasting_port() -> int:
    """A free port that the system gives to nobody else meanwhile, so that a server can come back to it."""
    while True:
        port = random.randrange(10_000, 30_000)  # below the range of ports for outgoing connections
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
