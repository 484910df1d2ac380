"""The service on one machine: a real Triton and the gateway, optionally with demo endpoints behind them.

Starts every part as a process through the command that people use, waits until it is ready, and stops all of them in
the order in which callers depend on them. Does not know how any part works.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from contract.bundle import Manifest
from deploy.local.ports import LOCALHOST, claim
from deploy.local.process import ChildProcess, ProcessError
from deploy.local.triton import TritonPorts, TritonServer

ROUTERDC = Path(sys.executable).with_name("routerdc")
EXPORT_TIMEOUT_SECONDS = 600.0
START_TIMEOUT_SECONDS = 60.0
DRAIN_SECONDS = 15.0
# One machine runs everything, so nobody's deadline should be a server's; an environment variable still wins.
_GATEWAY_DEFAULTS = {"ROUTERDC_DEADLINE_MS": "1000"}


@dataclass(frozen=True)
class GatewayPorts:
    """Ports of the gateway; 0 means any free one."""

    grpc: int = 50051
    metrics: int = 9464


@dataclass(frozen=True)
class Service:
    """What runs now, as host:port."""

    gateway_address: str
    gateway_metrics_address: str
    triton: TritonServer
    gateway: ChildProcess

    @property
    def processes(self) -> tuple[ChildProcess, ...]:
        """Every process that must run for the service to be whole."""
        return self.gateway, self.triton.process


def export_bundle(bundle: Path, folder: Path) -> Path:
    """The model repository of `bundle` under `folder`; made only where it is not current.

    Raises:
        ProcessError: the export failed; the message holds the end of its log.
    """
    command = [str(ROUTERDC), "export", "--bundle", str(bundle), "--out", str(folder)]
    with ChildProcess("routerdc export", command, log=folder / "logs" / "export.log") as child:
        if child.wait() != 0:
            raise ProcessError(f"routerdc export failed; {child.log_tail()}")
    return folder / "model_repository"


@contextmanager
def demo_endpoints(bundle: Path, folder: Path) -> Iterator[Path]:
    """One demo endpoint for each LLM of `bundle` while the block runs; yields the endpoints.yaml that names them."""
    names = Manifest.read(bundle).llm_names
    ports_file = folder / "demo_endpoints.json"
    ports_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "deploy.local.demo_endpoints", "--ports-file", str(ports_file)]
    command += [argument for name in names for argument in ("--llm", name)]
    with ChildProcess("demo endpoints", command, log=folder / "logs" / "demo_endpoints.log") as child:
        child.wait_ready(ports_file.is_file, START_TIMEOUT_SECONDS)
        endpoints_file = folder / "endpoints.yaml"
        endpoints_file.write_text(_endpoints_yaml(names, json.loads(ports_file.read_text())), encoding="utf-8")
        yield endpoints_file


def _endpoints_yaml(names: Sequence[str], ports: dict[str, int]) -> str:
    llms = {name: {"endpoints": [{"address": f"http://{LOCALHOST}:{ports[name]}/v1", "model": name}]} for name in names}
    return yaml.safe_dump({"default": [names[0]], "llms": llms}, sort_keys=False)


@contextmanager
def service(
    repository: Path, endpoints_file: Path, folder: Path, triton_ports: TritonPorts, gateway_ports: GatewayPorts
) -> Iterator[Service]:
    """Triton and the gateway while the block runs; the gateway is drained before Triton stops.

    Raises:
        PortError: a port is in use; the message names it.
        ProcessError: a part did not start; the message holds the end of its log.
        UnsupportedPlatformError: no embedded Triton for this machine.
    """
    grpc_port = claim(gateway_ports.grpc, "the gateway's gRPC", "--gateway-port")
    metrics_port = claim(gateway_ports.metrics, "the gateway's metrics", "--gateway-metrics-port")
    with TritonServer(repository, log=folder / "logs" / "triton.log", ports=triton_ports) as triton:
        ports_file = folder / "gateway.json"
        ports_file.unlink(missing_ok=True)
        gateway = ChildProcess(
            "gateway",
            _gateway_command(endpoints_file, triton.grpc_address, grpc_port, metrics_port, ports_file),
            log=folder / "logs" / "gateway.log",
            environment=_GATEWAY_DEFAULTS | os.environ,
        )
        try:
            gateway.start()
            gateway.wait_ready(ports_file.is_file, START_TIMEOUT_SECONDS)
            yield Service(f"{LOCALHOST}:{grpc_port}", f"{LOCALHOST}:{metrics_port}", triton, gateway)
        finally:
            gateway.stop(DRAIN_SECONDS)


def _gateway_command(
    endpoints_file: Path, triton_address: str, grpc_port: int, metrics_port: int, ports_file: Path
) -> list[str]:
    return [
        str(ROUTERDC),
        "gateway",
        f"--endpoints-file={endpoints_file}",
        f"--triton-address={triton_address}",
        f"--port={grpc_port}",
        f"--metrics-port={metrics_port}",
        f"--ports-file={ports_file}",
    ]
