"""The whole local stack, once for all end-to-end tests: demo endpoints, a real Triton, the gateway."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.command import SHIPPED_BUNDLE
from deploy.local.stack import FrontPorts, Service, demo_endpoints, service
from deploy.local.triton.server import ANY_FREE_PORTS
from routerdc_client import RouterClient

ANY_PORTS = [f"--triton-{name}-port=0" for name in ("http", "grpc", "metrics")]
ANY_PORTS += [f"--{name}-port=0" for name in ("gateway", "gateway-http", "gateway-metrics", "envoy", "console")]
"""Options of `routerdc demo` and `serve`: a port that is forgotten here is taken twice by tests side by side."""


@dataclass(frozen=True)
class Stack:
    """What runs, and the files it was started with."""

    service: Service
    endpoints_file: Path
    repository: Path


@pytest.fixture(scope="session")
def stack(model_repository: Path, triton_platform: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    repository = shutil.copytree(model_repository, folder / "model_repository")
    with demo_endpoints(SHIPPED_BUNDLE, folder) as endpoints_file, ExitStack() as started:
        with pytest.MonkeyPatch.context() as environment:
            # What is tested is what comes out, on machines that may be busy: no query falls back for want of time.
            environment.setenv("ROUTERDC_DEADLINE_MS", "20000")
            parts = service(repository, endpoints_file, folder, ANY_FREE_PORTS, FrontPorts(0, 0, 0, gateway_http=0))
            running = started.enter_context(parts)
        yield Stack(running, endpoints_file, repository)


@pytest.fixture
def client(stack: Stack) -> Iterator[RouterClient]:
    with RouterClient(stack.service.gateway_address) as client:
        yield client
