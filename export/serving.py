"""How each target's encoder is served: what the two models' configurations say beyond what belongs to a bundle."""

from dataclasses import dataclass
from typing import Literal

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from contract.bundle import Manifest
from contract.tensors import EMBEDDING, ENCODER_MODEL
from export.profiles import TUNED_TOKENS
from export.triton_config import MODEL_FOLDER, read_config

ServedTarget = Literal["onnxruntime", "onnxruntime-cuda", "tensorrt"]
ENCODER_FOLDER = MODEL_FOLDER.parent / ENCODER_MODEL
PARAMETER_ENGINE = "engine"
PARAMETER_SLICE_TOKENS = "slice_tokens"


@dataclass(frozen=True)
class Serving:
    """Of the model `routerdc`."""

    engine: str
    """its parameter `engine`"""
    slice_tokens: int | None
    """small slices stay in a CPU's caches, large ones fill a GPU; None: as config.pbtxt says"""
    instances: int
    """two before a GPU: one tokenizes while the other one's batch is computed"""


SERVING: dict[ServedTarget, Serving] = {
    "onnxruntime": Serving("onnxruntime", None, instances=1),
    "onnxruntime-cuda": Serving("onnxruntime-cuda", TUNED_TOKENS, instances=2),
    "tensorrt": Serving("triton", TUNED_TOKENS, instances=2),
}


def router_config(target: ServedTarget) -> ModelConfig:
    """Configuration of the model `routerdc` for `target`; what belongs to a bundle is still open."""
    config, serving = read_config(), SERVING[target]
    config.parameters[PARAMETER_ENGINE].string_value = serving.engine
    if serving.slice_tokens is not None:
        config.parameters[PARAMETER_SLICE_TOKENS].string_value = str(serving.slice_tokens)
    config.instance_group[0].count = serving.instances
    return config


def encoder_config(manifest: Manifest, n_profiles: int) -> str:
    """config.pbtxt of the model `routerdc_encoder` around a plan with `n_profiles` optimization profiles."""
    config = read_config(ENCODER_FOLDER)
    for output in config.output:
        if output.name == EMBEDDING:
            output.dims[:] = [-1, manifest.dim]
    config.instance_group[0].profile[:] = [str(i) for i in range(n_profiles)]
    return text_format.MessageToString(config, as_utf8=True)
