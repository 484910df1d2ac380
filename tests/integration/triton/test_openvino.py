"""The shipped bundle through OpenVINO in a real tritonserver: in int8 where the CPU computes that exactly."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient

from deploy.local.triton.server import TritonServer
from export.parity.samples import sample_queries
from export.steps.engine import EngineStep
from export.steps.openvino import OpenvinoStep
from export.steps.repository import RepositoryStep
from export.steps.runner import make
from routerdc_contract.bundle import ENGINE_FOLDER, Manifest
from tests.integration.triton.agreement import check_with_torch, scores_together_and_alone
from tests.support.kserve import infer
from tests.support.real_triton import BUNDLE

pytest.importorskip("openvino", reason="the extra openvino is not installed")


HAS_VNNI = re.search(r"\bavx(512)?_vnni\b", Path("/proc/cpuinfo").read_text(encoding="utf-8")) is not None


@pytest.fixture(scope="module")
def client(triton_platform: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InferenceServerClient]:
    """Of a Triton with the engine of the bundle, converted; with one in fp32 where the gate would refuse that one."""
    folder = tmp_path_factory.mktemp("openvino")
    engine = BUNDLE / ENGINE_FOLDER
    if not HAS_VNNI:
        engine = folder / "engine"
        make(EngineStep(BUNDLE, engine, "fp32"))
    make(OpenvinoStep(BUNDLE, folder / "openvino", engine))
    make(RepositoryStep(BUNDLE, folder / "model_repository", folder / "openvino", "openvino"))
    with (
        TritonServer(folder / "model_repository", log=folder / "triton.log") as server,
        InferenceServerClient(server.grpc_address) as client,
    ):
        yield client


def test_answers_agree_with_torch(client: InferenceServerClient, manifest: Manifest) -> None:
    queries = sample_queries()
    parts = [infer(client, *queries[i : i + 64]) for i in range(0, len(queries), 64)]
    check_with_torch(parts, manifest, "Triton with OpenVINO")


def test_a_query_alone_is_answered_as_in_a_batch(client: InferenceServerClient) -> None:
    together, alone = scores_together_and_alone(client, sample_queries()[:16])
    np.testing.assert_allclose(alone, together, atol=1e-2)
