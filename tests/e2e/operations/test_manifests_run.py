"""What the manifests say is run here as it stands: arguments, environment, files and probes of overlays/cpu.

Only places and ports are this machine's; images are replaced by what is installed.
"""

import http.client
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.command import SHIPPED_BUNDLE
from deploy.local.processes.ports import claim
from deploy.local.processes.process import ChildProcess
from deploy.local.stack import ROUTERDC
from deploy.local.triton.install import find_triton
from deploy.local.triton.server import ANY_FREE_PORTS
from routerdc_client import RouterClient
from routerdc_contract.tensors import ROUTER_MODEL
from tests.support.rendered import (
    VERSIONS,
    arguments,
    container,
    environment,
    named,
    needs_kubectl,
    overlay,
    port_numbers,
)

pytestmark = needs_kubectl
CPU = "cpu"
START_SECONDS = 180.0  # the machine may be busy


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the init container."""
    folder = tmp_path_factory.mktemp("models")
    places = {VERSIONS["image_interface"]["shipped_bundle"]: str(SHIPPED_BUNDLE), "/models": str(folder)}
    export = container(named(overlay(CPU), "Deployment", "routerdc-triton"), "export")
    words = [re.sub("|".join(places), lambda found: places[found[0]], word) for word in arguments(overlay(CPU), export)]
    with ChildProcess("export", [str(ROUTERDC), "export", *words], log=folder / "export.log") as child:
        assert child.wait() == 0, child.log_tail()
    return folder / "model_repository"


@pytest.fixture(scope="module")
def triton(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Ports by name of the container's own."""
    folder = tmp_path_factory.mktemp("triton")
    deployment = named(overlay(CPU), "Deployment", "routerdc-triton")
    server = container(deployment, "triton")
    free = ANY_FREE_PORTS.claimed("127.0.0.1")
    ports = {"http": free.http, "grpc": free.grpc, "metrics": free.metrics}
    words = [word.replace("/models/model_repository", str(repository)) for word in arguments(overlay(CPU), server)]
    for name, number in port_numbers(deployment).items():
        words = [word.replace(f"--{name}-port={number}", f"--{name}-port={ports[name]}") for word in words]
    install = find_triton()
    install.link_backends(folder / "backends")
    command = [str(install.server), *words, f"--backend-directory={folder / 'backends'}"]
    probe = server["readinessProbe"]["httpGet"]
    child = ChildProcess("tritonserver", command, log=folder / "triton.log", environment=install.environment())
    with child:
        child.wait_ready(lambda: get(ports[probe["port"]], probe["path"]) == 200, START_SECONDS)
        yield ports
        child.stop(30)  # SIGTERM, as Kubernetes does it
        assert child.wait() == 0, child.log_tail()


def test_no_web_page_changes_a_pods_triton(triton: dict[str, int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", triton["http"], timeout=10)
    for path in (f"/v2/repository/models/{ROUTER_MODEL}/unload", "/v2/systemsharedmemory/unregister", "/v2/logging"):
        connection.request("POST", path, body="{}", headers={"Origin": "http://evil.example"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 403, path
    connection.close()


def get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


Start = Callable[[dict[str, str]], tuple[ChildProcess, str, int]]


@pytest.fixture
def start(triton: dict[str, int], tmp_path: Path) -> Iterator[Start]:
    """Starts the gateway in its container's environment with `changes`; gives its address and its metrics' port."""
    started: list[ChildProcess] = []

    def begin(changes: dict[str, str]) -> tuple[ChildProcess, str, int]:
        objects = overlay(CPU)
        gateway = container(named(objects, "Deployment", "routerdc-gateway"), "gateway")
        content = named(objects, "ConfigMap", "routerdc-endpoints")["data"]["endpoints.yaml"]
        (tmp_path / "endpoints.yaml").write_text(content, encoding="utf-8")
        ports = claim(0, "gateway", "", "0.0.0.0"), claim(0, "metrics", "", "0.0.0.0")
        here = {
            "ROUTERDC_PORT": str(ports[0]),
            "ROUTERDC_METRICS_PORT": str(ports[1]),
            "ROUTERDC_EXT_PROC_PORT": "0",
            "ROUTERDC_ENDPOINTS_FILE": str(tmp_path / "endpoints.yaml"),
            "ROUTERDC_TRITON_ADDRESS": f"dns:///localhost:{triton['grpc']}",
            "ROUTERDC_DEADLINE_MS": "20000",
        }
        variables = {name: str(value) for name, value in environment(objects, gateway).items()}
        child = ChildProcess(
            "gateway",
            [str(ROUTERDC), "gateway"],
            log=tmp_path / "gateway.log",
            environment={"PATH": os.environ["PATH"], **variables, **here, **changes},
        )
        child.start()
        started.append(child)
        probe = gateway["readinessProbe"]["grpc"]
        address = f"127.0.0.1:{ports[0]}"
        child.wait_ready(lambda: serving(address, probe["service"]), START_SECONDS)
        return child, address, ports[1]

    yield begin
    for child in started:
        child.stop(30)


def serving(address: str, service: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)  # type: ignore[attr-defined]
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_a_query_is_routed_by_what_the_manifests_start(start: Start) -> None:
    child, address, metrics_port = start({"ROUTERDC_DRAIN_DELAY_SECONDS": "0"})
    with RouterClient(address) as client:
        response = client.route("Which planet has the most moons?")
    assert response.endpoint.address.endswith(".llms.svc.cluster.local:8000/v1")
    with urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as page:
        told = page.read().decode()
    assert 'routerdc_tritons{state="in_rotation"} 1.0' in told
    child.stop(30)
    assert child.wait() == 0, child.log_tail()


def test_a_gateway_that_is_told_to_stop_answers_for_the_drain_delay(start: Start) -> None:
    child, address, _ = start({"ROUTERDC_DRAIN_DELAY_SECONDS": "2"})
    os.kill(child.pid, signal.SIGTERM)
    child.wait_ready(lambda: not serving(address, "live"), 2)  # readiness and Envoy see it
    with RouterClient(address) as client:
        assert client.route("And which has none?").llm  # callers that have not seen it yet are answered
    assert child.wait() == 0, child.log_tail()
