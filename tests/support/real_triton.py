"""A real tritonserver with the shipped bundle, started once in each process of a run; a plugin of tests/conftest.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.triton.install import UnsupportedPlatformError, find_triton
from deploy.local.triton.server import TritonServer
from routerdc_contract.bundle import ENGINE_FOLDER, Manifest
from tests.support.shared import shared

BUNDLE = Path(__file__).parents[2] / "bundles/default"


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
def triton(model_repository: Path, triton_platform: None, triton_log: Path) -> Iterator[TritonServer]:
    """Running and ready, for tests that leave it so."""
    with TritonServer(model_repository, log=triton_log) as server:
        yield server
