"""A real tritonserver with the shipped bundle, started once a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tritonclient.grpc import InferenceServerClient

from deploy.local.triton.install import UnsupportedPlatformError, find_triton
from deploy.local.triton.server import TritonServer
from export.steps.repository import RepositoryStep
from export.steps.runner import make
from routerdc_contract.bundle import ENGINE_FOLDER, Manifest

BUNDLE = Path(__file__).parents[2] / "bundles/default"


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """Of the shipped bundle."""
    return Manifest.read(BUNDLE)


@pytest.fixture(scope="session")
def model_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Filled from the shipped bundle and the engine committed with it, without torch and onnx."""
    folder = tmp_path_factory.mktemp("export") / "model_repository"
    make(RepositoryStep(BUNDLE, folder, BUNDLE / ENGINE_FOLDER))
    return folder


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
    """Running and ready."""
    with TritonServer(model_repository, log=triton_log) as server:
        yield server


@pytest.fixture
def client(triton: TritonServer) -> Iterator[InferenceServerClient]:
    """A plain tritonclient."""
    with InferenceServerClient(triton.grpc_address) as client:
        yield client
