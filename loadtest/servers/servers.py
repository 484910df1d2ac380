"""Starts what is measured, each as a process of its own by the command a person would type, and stops it."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import yaml
from tritonclient.grpc import service_pb2, service_pb2_grpc

from deploy.local.processes.process import ChildProcess, ProcessError
from loadtest.servers.processes import ROUTERDC, STOP_SECONDS
from loadtest.servers.worker import Worker, worker
from routerdc_contract import tensors
from routerdc_contract.v1 import router_pb2 as pb

_START_SECONDS = 120
_ADDRESS = re.compile(r"gRPC ([\w.]+:\d+)")


class PartError(Exception):
    """A part did not start; the message has the end of its log."""


class Part(NamedTuple):
    """A running process, where it serves gRPC, and the URL of its HTTP door; empty where it has none."""

    address: str
    pid: int
    url: str = ""


class Parts:
    """Starts parts whose files (logs, endpoints.yaml) are in `folder`."""

    def __init__(self, folder: Path, routerdc: Sequence[str] = (ROUTERDC,)) -> None:
        """`routerdc` is the command that starts Triton and the gateway."""
        self.folder = folder
        self._routerdc = routerdc
        self._started = 0

    @contextmanager
    def echo(self, answer: pb.RouteResponse) -> Iterator[Part]:
        """A server that answers every Route with `answer`."""
        with self._python("loadtest.stubs.echo_server", answer.SerializeToString().hex()) as part:
            yield part

    @contextmanager
    def hop(self, triton: Part) -> Iterator[Part]:
        """A server that passes every ModelInfer on to `triton`."""
        with self._python("loadtest.stubs.hop_server", triton.address) as part:
            yield part

    @contextmanager
    def instant_gateway(self, *, behind_cache: bool = False) -> Iterator[Part]:
        """A gateway whose scores are there at once, in its own process."""
        with self._python("loadtest.stubs.instant_scorer", *(["--behind-cache"] if behind_cache else [])) as part:
            yield part

    @contextmanager
    def engine(self, repository: Path, *arguments: str) -> Iterator[Worker]:
        """What Triton serves from `repository`, in a process of its own without Triton."""
        with self.worker("served_engine", str(repository), *arguments) as running:
            yield running

    @contextmanager
    def worker(self, module: str, *arguments: str) -> Iterator[Worker]:
        """A program of `loadtest.inprocess`, in the environment of this one."""
        self._started += 1
        with worker(module, *arguments, log=self._file(module, "output.log")) as running:
            yield running

    @contextmanager
    def instant_triton(self) -> Iterator[Part]:
        """A Triton stand-in that answers at once."""
        with self._python("loadtest.stubs.instant_triton") as part:
            yield part

    @contextmanager
    def triton(self, repository: Path) -> Iterator[Part]:
        """A real tritonserver with the models in `repository`."""
        log = self._file("triton", "server.log")
        ports = (f"--triton-{name}-port=0" for name in ("http", "grpc", "metrics"))
        command = [*self._routerdc, "triton", "--repository", str(repository), *ports, "--log", str(log)]
        with self._running("triton", command) as part:
            yield part

    @contextmanager
    def gateway(self, triton: Part, **settings: object) -> Iterator[Part]:
        """A gateway before `triton`; `settings` are its flags.

        Deadlines are so long that a slow answer is measured as one instead of becoming a default.
        """
        endpoints, ports = self._file("gateway", "endpoints.yaml"), self._file("gateway", "ports.json")
        endpoints.write_text(yaml.safe_dump(_endpoints(llms_of(triton.address))))
        flags: dict[str, object] = {
            "port": 0,
            "metrics_port": 0,
            "ports_file": ports,
            "endpoints_file": endpoints,
            "triton_address": triton.address,
            "deadline_ms": 20_000,
            "log_level": "warning",
        }
        command = [
            *self._routerdc,
            "gateway",
            *(f"--{name.replace('_', '-')}={value}" for name, value in (flags | settings).items()),
        ]
        with self._running("gateway", command, ports) as part:
            yield part

    def _file(self, part: str, ending: str) -> Path:
        return self.folder / f"{self._started}-{part}-{ending}"

    @contextmanager
    def _python(self, module: str, *arguments: str) -> Iterator[Part]:
        with self._running(module, [sys.executable, "-m", module, *arguments]) as part:
            yield part

    @contextmanager
    def _running(self, name: str, command: Sequence[str], ports: Path | None = None) -> Iterator[Part]:
        log = self._file(name, "output.log")
        self._started += 1

        def address() -> str | None:
            return _from_log(log) if ports is None else _from_ports(ports)

        with ChildProcess(name, command, log=log, stop_seconds=STOP_SECONDS) as process:
            try:
                process.wait_ready(lambda: address() is not None, _START_SECONDS)
            except ProcessError as error:
                raise PartError(str(error)) from None
            yield Part(str(address()), process.pid, "" if ports is None else _http_door(ports))


def llms_of(triton: str) -> list[str]:
    """Names in the order of the scores, as the model's configuration has them."""
    with grpc.insecure_channel(triton) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        request = service_pb2.ModelConfigRequest(name=tensors.ROUTER_MODEL)
        config = stub.ModelConfig(request, timeout=_START_SECONDS).config
    llms: list[str] = json.loads(config.parameters[tensors.PARAMETER_LLMS].string_value)
    return llms


def _endpoints(llms: list[str]) -> dict[str, object]:
    pool = {
        name: {"price": 0.1, "endpoints": [{"address": "http://127.0.0.1:9/v1", "model": name}]}  # never called
        for name in llms
    }
    return {"default": llms[:1], "llms": pool}


def _from_log(log: Path) -> str | None:
    found = _ADDRESS.search(log.read_text(errors="replace"))
    return found and found[1]


def _http_door(ports: Path) -> str:
    port = json.loads(ports.read_text()).get("http")
    return f"http://127.0.0.1:{port}" if port else ""


def _from_ports(ports: Path) -> str | None:
    return f"127.0.0.1:{json.loads(ports.read_text())['grpc']}" if ports.is_file() else None
