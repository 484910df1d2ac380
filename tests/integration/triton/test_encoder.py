"""`routerdc` calling the Triton model `routerdc_encoder` (parameter `engine`: triton) in a real tritonserver.

TensorRT's backend needs a GPU, so a Python model with the same tensors stands in for the plan; all else is what serves.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from google.protobuf import text_format
from tritonclient.grpc import InferenceServerClient
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup
from tritonclient.utils import InferenceServerException

from deploy.local.triton.server import TritonServer
from export.artefacts.files import ENGINE_FILE, ENGINE_WEIGHTS_FILE
from export.parity.samples import sample_queries
from export.publish.command import publish
from export.triton.config import MODEL_FOLDER, read_config
from routerdc_contract.bundle import Manifest
from routerdc_contract.tensors import ENCODER_MODEL, ROUTER_MODEL, SCORES
from tests.integration.triton.agreement import check_with_torch
from tests.support.kserve import infer

STAND_IN = Path(__file__).parent / "encoder_stand_in/model.py"


def write_config(config: ModelConfig, folder: Path) -> None:
    (folder / "config.pbtxt").write_text(text_format.MessageToString(config), encoding="utf-8")


def stand_in_config() -> ModelConfig:
    """That of the plan, but with the Python backend on the CPU."""
    config = read_config(MODEL_FOLDER.parent / ENCODER_MODEL)
    config.backend = "python"
    config.ClearField("optimization")
    config.ClearField("instance_group")
    config.instance_group.add(kind=ModelInstanceGroup.KIND_CPU, count=2)
    return config


@pytest.fixture(scope="module")
def two_models(model_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported repository with its ONNX graph moved from `routerdc` to the encoder's stand-in."""
    folder = tmp_path_factory.mktemp("two_models")
    shutil.copytree(model_repository / ROUTER_MODEL, folder / ROUTER_MODEL, copy_function=os.link)
    encoder = folder / ENCODER_MODEL
    (encoder / "1").mkdir(parents=True)
    for name in (ENGINE_FILE, ENGINE_WEIGHTS_FILE):
        (folder / ROUTER_MODEL / "1" / name).rename(encoder / "1" / name)
    shutil.copyfile(STAND_IN, encoder / "1/model.py")
    write_config(stand_in_config(), encoder)
    config = read_config(folder / ROUTER_MODEL)
    config.parameters["engine"].string_value = "triton"
    (folder / ROUTER_MODEL / "config.pbtxt").unlink()  # a link to the exported one
    write_config(config, folder / ROUTER_MODEL)
    return folder


@pytest.fixture(scope="module")
def server(two_models: Path, triton_platform: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """With both models."""
    with TritonServer(two_models, log=tmp_path_factory.mktemp("triton_encoder") / "triton.log") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: TritonServer) -> Iterator[InferenceServerClient]:
    """Of the server."""
    with InferenceServerClient(server.grpc_address) as client:
        yield client


def encoder_calls(client: InferenceServerClient) -> int:
    statistics = client.get_inference_statistics(ENCODER_MODEL).model_stats[0]
    return int(statistics.execution_count)


def test_answers_agree_with_torch(client: InferenceServerClient, manifest: Manifest) -> None:
    queries = sample_queries()
    parts = [infer(client, *queries[i : i + 64]) for i in range(0, len(queries), 64)]
    check_with_torch(parts, manifest, "Triton with an encoder of its own")


def test_a_batch_goes_to_the_encoder_in_slices(client: InferenceServerClient) -> None:
    before = encoder_calls(client)
    infer(client, *sample_queries()[:64])
    assert encoder_calls(client) - before > 1


def test_an_encoder_that_fails_is_named_and_the_next_request_is_served(client: InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="routerdc_encoder version 1: out of memory, says the stand-in"):
        infer(client, "Where does the zebra live?")
    assert infer(client, "Where does the horse live?").as_numpy(SCORES).shape[0] == 1


def test_a_new_encoder_proves_itself_before_callers_get_it(
    server: TritonServer, client: InferenceServerClient, two_models: Path, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(two_models, tmp_path / "source", copy_function=os.link))
    reference = source / ROUTER_MODEL / "1/reference.json"
    content = json.loads(reference.read_text(encoding="utf-8"))
    reference.unlink()  # a link to the exported one

    def published(off_by: float) -> Result:
        scores = (np.array(content["scores"]) + off_by).tolist()
        reference.write_text(json.dumps(content | {"scores": scores}), encoding="utf-8")
        arguments = [str(source), "--repository", str(two_models), "--triton-address", server.grpc_address]
        return CliRunner().invoke(publish, arguments)

    def serving() -> dict[str, list[str]]:
        index = client.get_model_repository_index().models
        models = (ROUTER_MODEL, ENCODER_MODEL)
        return {name: [m.version for m in index if (m.name, m.state) == (name, "READY")] for name in models}

    refused = published(off_by=0.1)
    assert refused.exit_code == 1
    assert "routerdc_encoder version 2: scores of the reference queries are off by 0.1" in refused.output
    assert "version 1 serves as before" in refused.output
    assert infer(client, "Where does the horse live?").get_response().model_version == "2"  # a copy of version 1
    taken = published(off_by=0.0)
    assert taken.exit_code == 0, taken.output
    assert serving()[ROUTER_MODEL][-1] == "3"
    assert serving()[ENCODER_MODEL] == ["2", "3"]
    assert infer(client, "Where does the horse live?").get_response().model_version == "3"
