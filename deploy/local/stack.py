"""The service on one machine: a real Triton, the gateway and Envoy, optionally with demo endpoints behind them.

Starts every part as a process through the command that people use, waits until it is ready, and stops all of them in
the order in which callers depend on them. Does not know how any part works.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from deploy.local.envoy import Envoy
from deploy.local.processes.ports import LOCALHOST, claim
from deploy.local.processes.process import ChildProcess, ProcessError
from deploy.local.triton.server import TritonPorts, TritonServer
from routerdc_contract.bundle import Manifest

ROUTERDC = Path(sys.executable).with_name("routerdc")
EXPORT_TIMEOUT_SECONDS = 600.0
START_TIMEOUT_SECONDS = 60.0
DRAIN_SECONDS = 15.0
# One machine runs everything: nobody's deadline should be a server's, and many small requests to Triton would take from
# its cores. An environment variable still wins.
_GATEWAY_DEFAULTS = {"ROUTERDC_DEADLINE_MS": "1000", "ROUTERDC_TRITON_WINDOW": "1"}
DECISION_TIMEOUT_MS = 2000


@dataclass(frozen=True)
class FrontPorts:
    """Ports of the gateway and of Envoy; 0 means any free one."""

    gateway: int = 50051
    gateway_metrics: int = 9464
    envoy: int = 10000
    console: int = 9465
    ext_proc: int = 0  # between Envoy and the gateway; nobody else calls there
    gateway_http: int = 9466


@dataclass(frozen=True)
class Service:
    """What runs now, as host:port."""

    gateway_address: str
    gateway_metrics_address: str
    gateway_http_address: str
    openai_base_url: str
    triton: TritonServer
    gateway: ChildProcess
    envoy: Envoy
    watcher: ChildProcess
    """renders Envoy's files again whenever endpoints.yaml changes"""

    @property
    def processes(self) -> tuple[ChildProcess, ...]:
        """Every process that must run for the service to be whole."""
        triton = (self.triton.process,) if self.triton.started else ()
        return *self.front, *triton

    @property
    def front(self) -> tuple[ChildProcess, ...]:
        """Those without which nobody is answered."""
        return self.envoy.process, self.gateway


def export_bundle(bundle: Path, folder: Path, precision: str | None = None) -> Path:
    """The model repository of `bundle` under `folder`; made only where it is not current.

    Raises:
        ProcessError: the export failed; the message holds the end of its log.
    """
    wanted = [f"--precision={precision}"] if precision else []
    _run("export", f"--bundle={bundle}", f"--out={folder}", *wanted, log=folder / "logs" / "export.log")
    return folder / "model_repository"


def _run(*arguments: str, log: Path) -> None:
    name = f"routerdc {arguments[0]}"
    with ChildProcess(name, [str(ROUTERDC), *arguments], log=log) as child:
        if child.wait() != 0:
            raise ProcessError(f"{name} failed; {child.log_tail()}")


@contextmanager
def demo_endpoints(bundle: Path, folder: Path) -> Iterator[Path]:
    """One demo endpoint for each LLM of `bundle` while the block runs; yields the endpoints.yaml that names them."""
    names = Manifest.read(bundle).llm_names
    ports_file = folder / "demo_endpoints.json"
    ports_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "deploy.local.demo.endpoints", "--ports-file", str(ports_file)]
    command += [argument for name in names for argument in ("--llm", name)]
    with ChildProcess("demo endpoints", command, log=folder / "logs" / "demo_endpoints.log") as child:
        child.wait_ready(ports_file.is_file, START_TIMEOUT_SECONDS)
        endpoints_file = folder / "endpoints.yaml"
        endpoints_file.write_text(_endpoints_yaml(names, json.loads(ports_file.read_text())), encoding="utf-8")
        yield endpoints_file


def _endpoints_yaml(names: Sequence[str], ports: dict[str, int]) -> str:
    llms = {
        name: {
            "price": _demo_price(name),
            "protocols": ["openai", "anthropic"],
            "endpoints": [{"address": f"http://{LOCALHOST}:{ports[name]}/v1", "model": name}],
        }
        for name in names
    }
    text: str = yaml.safe_dump({"default": [names[0]], "llms": llms}, sort_keys=False)
    return f"# Made by `routerdc demo`. No LLM runs behind it, and the prices are made up.\n{text}"


def _demo_price(name: str) -> float:
    """A price for a demo: 0.025 US dollars per million tokens for each billion of parameters in the LLM's name."""
    billions = re.search(r"(\d+)b\b", name, re.IGNORECASE)
    return round(0.025 * int(billions[1]), 3) if billions else 0.2


@contextmanager
def service(
    repository: Path,
    endpoints_file: Path,
    folder: Path,
    triton_ports: TritonPorts,
    ports: FrontPorts,
    *,
    with_router: bool = True,
) -> Iterator[Service]:
    """Triton, the gateway and Envoy while the block runs; callers stop before the servers that they call.

    Without a router Triton is not started: the gateway answers with its default LLMs until it is.

    Raises:
        PortError: a port is in use; the message names it.
        ProcessError: a part did not start; the message holds the end of its log.
        UnsupportedPlatformError: no embedded Triton for this machine.
    """
    claimed = FrontPorts(
        claim(ports.gateway, "the gateway's gRPC", "--gateway-port"),
        claim(ports.gateway_metrics, "the gateway's metrics", "--gateway-metrics-port"),
        claim(ports.envoy, "Envoy", "--envoy-port"),
        ports.console,
        claim(ports.ext_proc, "the gateway's for Envoy", "--gateway-port"),
        claim(ports.gateway_http, "the gateway's HTTP", "--gateway-http-port"),
    )
    triton_claimed = triton_ports.claimed(LOCALHOST)
    triton = TritonServer(repository, log=folder / "logs" / "triton.log", ports=triton_claimed)
    triton_address = f"{LOCALHOST}:{triton_claimed.grpc}"
    with (
        _stopped_at_the_end(triton, start=with_router),
        _gateway(endpoints_file, folder, triton_address, claimed, with_router=with_router) as gateway,
        _envoy(endpoints_file, folder, claimed) as (watcher, envoy),
    ):
        yield Service(
            gateway_address=f"{LOCALHOST}:{claimed.gateway}",
            gateway_metrics_address=f"{LOCALHOST}:{claimed.gateway_metrics}",
            gateway_http_address=f"{LOCALHOST}:{claimed.gateway_http}",
            openai_base_url=envoy.base_url,
            triton=triton,
            gateway=gateway,
            envoy=envoy,
            watcher=watcher,
        )


@contextmanager
def _stopped_at_the_end(triton: TritonServer, *, start: bool) -> Iterator[None]:
    try:
        if start:
            triton.start()
        yield
    finally:
        triton.stop()


@contextmanager
def console(running: Service, folder: Path, port: int) -> Iterator[str]:
    """The console's page for a running service while the block runs; yields its URL.

    Raises:
        PortError: the port is in use.
        ProcessError: it did not start; the message holds the end of its log.
    """
    port = claim(port, "the console", "--console-port")
    metrics = f"http://{running.gateway_metrics_address}/metrics"
    command = [
        str(ROUTERDC),
        "console",
        f"--gateway={running.gateway_address}",
        f"--metrics={metrics}",
        f"--http=http://{running.gateway_http_address}",
        f"--port={port}",
    ]
    log = folder / "logs" / "console.log"
    with ChildProcess("console", command, log=log) as child:
        child.wait_ready(lambda: "console: " in log.read_text(encoding="utf-8"), START_TIMEOUT_SECONDS)
        yield f"http://{LOCALHOST}:{port}/"


@contextmanager
def _gateway(
    endpoints_file: Path, folder: Path, triton_address: str, ports: FrontPorts, *, with_router: bool
) -> Iterator[ChildProcess]:
    ports_file = folder / "gateway.json"
    ports_file.unlink(missing_ok=True)
    command = [
        str(ROUTERDC),
        "gateway",
        f"--endpoints-file={endpoints_file}",
        f"--triton-address={triton_address}",
        f"--port={ports.gateway}",
        f"--ext-proc-port={ports.ext_proc}",
        f"--metrics-port={ports.gateway_metrics}",
        f"--http-port={ports.gateway_http}",
        f"--ports-file={ports_file}",
        *([] if with_router else ["--start-without-router"]),
    ]
    log = folder / "logs" / "gateway.log"
    gateway = ChildProcess("gateway", command, log=log, environment=_GATEWAY_DEFAULTS | os.environ)
    try:
        gateway.start()
        gateway.wait_ready(ports_file.is_file, START_TIMEOUT_SECONDS)
        yield gateway
    finally:
        gateway.stop(DRAIN_SECONDS)


@contextmanager
def _envoy(endpoints_file: Path, folder: Path, ports: FrontPorts) -> Iterator[tuple[ChildProcess, Envoy]]:
    """Envoy, behind the process that renders its files again whenever `endpoints_file` changes."""
    config = folder / "envoy.yaml"
    config.unlink(missing_ok=True)
    command = [
        str(ROUTERDC),
        "envoy-config",
        f"--endpoints={endpoints_file}",
        f"--listen={LOCALHOST}:{ports.envoy}",
        f"--admin={LOCALHOST}:0",
        f"--gateway={LOCALHOST}:{ports.ext_proc}",
        f"--decision-timeout-ms={DECISION_TIMEOUT_MS}",
        f"--out={config}",
        "--watch",
    ]
    with ChildProcess("routerdc envoy-config", command, log=folder / "logs" / "envoy-config.log") as watcher:
        watcher.wait_ready(config.is_file, START_TIMEOUT_SECONDS)
        with Envoy(config, log=folder / "logs" / "envoy.log") as envoy:
            yield watcher, envoy
