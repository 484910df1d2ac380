"""A real tritonserver with the shipped bundle, started once in each process of a run; a plugin of tests/conftest.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.triton.install import UnsupportedPlatformError, find_triton
from deploy.local.triton.server import TritonPorts, TritonServer
from routerdc_contract.bundle import ENGINE_FOLDER, Manifest
from tests.support.gateways.process import lasting_port
from tests.support.shared import shared

BUNDLE = Path(__file__).parents[2] / "bundles/default"
_SHARED = pytest.StashKey[TritonServer]()


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """Of the shipped bundle."""
    return Manifest.read(BUNDLE)


@pytest.fixture(scope="session")
def model_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Filled from the shipped bundle and the engine committed with it, without torch and onnx. Copy it to change it."""
    from export.steps.repository import RepositoryStep
    from export.steps.runner import make

    def fill(folder: Path) -> None:
        make(RepositoryStep(BUNDLE, folder / "model_repository", BUNDLE / ENGINE_FOLDER))

    return shared(tmp_path_factory, "export", fill) / "model_repository"


@pytest.fixture(scope="session")
def triton_platform() -> None:
    """Skips where the embedded Triton cannot run."""
    try:
        find_triton()
    except UnsupportedPlatformError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def triton_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server writes."""
    return tmp_path_factory.mktemp("triton") / "triton.log"


@pytest.fixture(scope="session")
def triton(
    model_repository: Path, triton_platform: None, triton_log: Path, request: pytest.FixtureRequest
) -> Iterator[TritonServer]:
    """Running and ready, for tests that leave it so. One that ended by itself is started again for the next test."""
    ports = TritonPorts(lasting_port(), lasting_port(), lasting_port())
    with TritonServer(model_repository, log=triton_log, ports=ports) as server:
        request.config.stash[_SHARED] = server
        yield server


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Nothing later fails because of a Triton that ended in one test."""
    server = item.config.stash.get(_SHARED, None)
    if server is not None and "triton" in getattr(item, "fixturenames", ()) and not server.process.running:
        server.process.keep_log()
        server.start()
