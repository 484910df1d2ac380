"""A real tritonserver on this machine, as a child that is waited for, stopped cleanly and never orphaned.

    with TritonServer(Path("build/model_repository"), log=Path("triton.log")) as server:
        server.grpc_address  # "127.0.0.1:8001"

Does not know what models the repository holds.
"""

import http.client
import os
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path

from deploy.local.processes.ports import LOCALHOST, claim
from deploy.local.processes.process import ChildProcess, LocalServer, ProcessError
from deploy.local.triton.install import TritonInstall, find_triton

START_TIMEOUT_SECONDS = 120.0
EXIT_TIMEOUT_SECONDS = 10
PROBE_TIMEOUT_SECONDS = 2.0
# What changes a Triton is for callers of its gRPC port: a browser sends any web page's POST to any port of its machine.
NOT_OVER_HTTP = "model-repository,shared-memory,trace,logging"


@dataclass(frozen=True)
class TritonPorts:
    """Ports to listen on; 0 means any free one."""

    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002

    def claimed(self, host: str) -> "TritonPorts":
        """The same with every 0 replaced.

        Raises:
            deploy.local.processes.ports.PortError: one of them is in use.
        """
        return TritonPorts(
            http=claim(self.http, "Triton's HTTP", "--triton-http-port", host),
            grpc=claim(self.grpc, "Triton's gRPC", "--triton-grpc-port", host),
            metrics=claim(self.metrics, "Triton's metrics", "--triton-metrics-port", host),
        )


ANY_FREE_PORTS = TritonPorts(0, 0, 0)


class TritonServer(LocalServer):
    """A tritonserver with every model of one repository.

    Models are loaded on start and, later, on request only (`--model-control-mode=explicit`), so that a half-written
    version is never picked up.
    """

    def __init__(
        self, repository: Path, *, log: Path, ports: TritonPorts = ANY_FREE_PORTS, host: str = LOCALHOST
    ) -> None:
        """Prepares a server that is not started yet.

        `repository` is as `routerdc export` writes it; `log` gets the server's output, and links to the server's
        backends are kept beside it.
        """
        super().__init__("tritonserver", stop_seconds=EXIT_TIMEOUT_SECONDS + 5)
        self._repository = repository
        self._log = log
        self._host = host
        self._wanted_ports = ports
        self._ports: TritonPorts | None = None

    def start(self, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Returns when the server and every model in it are ready.

        Raises:
            FileNotFoundError: there is no such repository.
            deploy.local.processes.ports.PortError: a port is in use.
            deploy.local.triton.install.UnsupportedPlatformError: this machine cannot run it.
            deploy.local.processes.process.ProcessError: it did not become ready; the message holds the end of its log.
        """
        if not self._repository.is_dir():
            raise FileNotFoundError(f"{self._repository}: no model repository there: run `routerdc export` first")
        install = find_triton()
        self._ports = self._wanted_ports.claimed(self._host)
        backends = self._log.absolute().with_suffix(".backends")
        install.link_backends(backends)
        process = ChildProcess(
            "tritonserver",
            self._command(install, backends, self._ports),
            log=self._log,
            environment=install.environment(),
            folder=self._repository.absolute().parent,
            stop_signal=signal.SIGINT,
            log_noise=("I", "+", "|"),  # information and tables
        )
        self._run(process, self.is_ready, timeout_seconds)

    def is_ready(self) -> bool:
        """Whether the server and every model in it answer."""
        connection = http.client.HTTPConnection(self._host, self.ports.http, timeout=PROBE_TIMEOUT_SECONDS)
        try:
            connection.request("GET", "/v2/health/ready")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()

    @property
    def ports(self) -> TritonPorts:
        """The ports it listens on.

        Raises:
            ProcessError: it was not started.
        """
        if self._ports is None:
            raise ProcessError("tritonserver was not started")
        return self._ports

    @property
    def http_address(self) -> str:
        """host:port for KServe over HTTP."""
        return f"{self._host}:{self.ports.http}"

    @property
    def grpc_address(self) -> str:
        """host:port for KServe over gRPC."""
        return f"{self._host}:{self.ports.grpc}"

    @property
    def metrics_address(self) -> str:
        """host:port for Prometheus."""
        return f"{self._host}:{self.ports.metrics}"

    def _command(self, install: TritonInstall, backends: Path, ports: TritonPorts) -> list[str]:
        return [
            str(install.server),
            # Relative: the Python backend starts its stubs through a shell, without quotes around these.
            f"--model-repository={self._repository.name}",
            f"--backend-directory={os.path.relpath(backends, self._repository.absolute().parent)}",
            "--model-control-mode=explicit",
            "--load-model=*",
            "--disable-auto-complete-config",
            "--allow-gpu-metrics=false",
            f"--exit-timeout-secs={EXIT_TIMEOUT_SECONDS}",
            *(f"--{kind}-address={self._host}" for kind in ("http", "grpc", "metrics")),
            f"--http-port={ports.http}",
            f"--http-restricted-api={NOT_OVER_HTTP}:admin-key={secrets.token_hex()}",
            f"--grpc-port={ports.grpc}",
            f"--metrics-port={ports.metrics}",
        ]
