"""config.pbtxt of the model `routerdc`: read and rendered through Triton's own ModelConfig message, never as text."""

import json
from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from export.domain.errors import ExportError
from routerdc_contract.bundle import Manifest
from routerdc_contract.tensors import (
    EMBEDDING,
    NEIGHBOURS,
    PARAMETER_BUNDLE_ID,
    PARAMETER_CALIBRATION,
    PARAMETER_LLMS,
    PARAMETER_MAX_TOKENS,
    ROUTER_MODEL,
    SCORES,
)

MODEL_FOLDER = Path(__file__).parents[2] / "model_repository" / ROUTER_MODEL
CONFIG_FILE = "config.pbtxt"


def read_config(folder: Path = MODEL_FOLDER) -> ModelConfig:
    """The configuration in `folder`.

    Raises:
        ExportError: it is missing or not a valid ModelConfig.
    """
    path = folder / CONFIG_FILE
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), ModelConfig())
    except FileNotFoundError:
        raise ExportError(f"{path}: missing: export runs in a checkout or a copy of it") from None
    except text_format.ParseError as error:
        raise ExportError(f"{path}: {error}") from None


def render(config: ModelConfig, manifest: Manifest) -> str:
    """`config` with what belongs to the bundle set, as text; without the output `neighbours` where it has none."""
    rendered = ModelConfig()
    rendered.CopyFrom(config)
    if manifest.neighbours_sha256 is None:
        kept = [output for output in rendered.output if output.name != NEIGHBOURS]
        del rendered.output[:]
        rendered.output.extend(kept)
    sizes = {SCORES: len(manifest.llms), EMBEDDING: manifest.dim}
    for output in rendered.output:
        if output.name in sizes:
            output.dims[:] = [sizes[output.name]]
    rendered.parameters[PARAMETER_BUNDLE_ID].string_value = manifest.bundle_id
    rendered.parameters[PARAMETER_LLMS].string_value = json.dumps(manifest.llm_names, ensure_ascii=False)
    rendered.parameters[PARAMETER_MAX_TOKENS].string_value = str(manifest.tokenizer.max_tokens)
    rendered.parameters[PARAMETER_CALIBRATION].string_value = json.dumps(
        [llm.calibration and (llm.calibration.slope, llm.calibration.intercept) for llm in manifest.llms]
    )
    return text_format.MessageToString(rendered, as_utf8=True)


def parameter(config: ModelConfig, name: str) -> str:
    """The string value of a parameter; empty where there is none."""
    return str(config.parameters[name].string_value) if name in config.parameters else ""
