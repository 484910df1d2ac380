"""How each target's encoder is served: what the two models' configurations say beyond what belongs to a bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import TYPE_INT32, ModelConfig

from export.tensorrt.profiles import TUNED_TOKENS, Profile
from export.triton.config import MODEL_FOLDER, read_config
from routerdc_contract.bundle import Manifest
from routerdc_contract.tensors import ATTENTION_MASK, EMBEDDING, ENCODER_MODEL, INPUT_IDS

ServedTarget = Literal["onnxruntime", "openvino", "onnxruntime-cuda", "tensorrt", "tensorrt-rtx"]
ENCODER_FOLDER = MODEL_FOLDER.parent / ENCODER_MODEL
PARAMETER_ENGINE = "engine"
PARAMETER_SLICE_TOKENS = "slice_tokens"
PARAMETER_WIDTH_MULTIPLE = "width_multiple"
PARAMETER_ROW_COUNTS = "row_counts"
REPEATED_WIDTHS = 16
"""Slices are as wide as a multiple of this where shapes should repeat: on GPUs (matrix units want it) and OpenVINO"""
GRAPH_ROWS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Rows that slices are filled up to, so that each up to `GRAPH_TOKENS` wide has a CUDA graph: a large GPU computes
64 rows sooner than their kernels are launched (docs/explanation/scaling.md). It adds less than half to any slice."""
GRAPH_TOKENS = 128
"""Widest slices with a graph: what is wider computes for longer than its launches take"""


@dataclass(frozen=True)
class Serving:
    """Of the model `routerdc`."""

    engine: str
    """its parameter `engine`"""
    slice_tokens: int | None
    """small slices stay in a CPU's caches, large ones fill a GPU; None: as config.pbtxt says"""
    instances: int
    """before a GPU some tokenize while the batch of another is computed; each in-process one holds the weights"""
    width_multiple: int = 1
    row_counts: tuple[int, ...] = ()


SERVING: dict[ServedTarget, Serving] = {
    "onnxruntime": Serving("onnxruntime", None, instances=1),
    "openvino": Serving("openvino", None, instances=1, width_multiple=REPEATED_WIDTHS),
    "onnxruntime-cuda": Serving("onnxruntime-cuda", TUNED_TOKENS, instances=2, width_multiple=REPEATED_WIDTHS),
    "tensorrt": Serving("triton", TUNED_TOKENS, instances=4, width_multiple=REPEATED_WIDTHS, row_counts=GRAPH_ROWS),
    "tensorrt-rtx": Serving(
        "tensorrt-rtx", TUNED_TOKENS, instances=2, width_multiple=REPEATED_WIDTHS, row_counts=GRAPH_ROWS
    ),
}


def router_config(target: ServedTarget) -> ModelConfig:
    """Configuration of the model `routerdc` for `target`; what belongs to a bundle is still open."""
    config, serving = read_config(), SERVING[target]
    config.parameters[PARAMETER_ENGINE].string_value = serving.engine
    if serving.slice_tokens is not None:
        config.parameters[PARAMETER_SLICE_TOKENS].string_value = str(serving.slice_tokens)
    config.parameters[PARAMETER_WIDTH_MULTIPLE].string_value = str(serving.width_multiple)
    config.parameters[PARAMETER_ROW_COUNTS].string_value = " ".join(map(str, serving.row_counts))
    config.instance_group[0].count = serving.instances
    return config


def encoder_config(manifest: Manifest, shapes: Sequence[Profile]) -> str:
    """config.pbtxt of the model `routerdc_encoder` around a plan with the optimization profiles `shapes`."""
    config = read_config(ENCODER_FOLDER)
    for output in config.output:
        if output.name == EMBEDDING:
            output.dims[:] = [-1, manifest.dim]
    config.instance_group[0].profile[:] = [str(i) for i in range(len(shapes))]
    del config.model_warmup[:]
    for profile in shapes:
        for rows in (profile.least.rows, profile.tuned.rows):
            _add_warm_up(config, rows, profile.tuned.tokens)
    widest = min(GRAPH_TOKENS, manifest.tokenizer.max_tokens)
    for width in widths(widest, REPEATED_WIDTHS):
        for rows in GRAPH_ROWS:
            _add_cuda_graph(config, rows, width)
    return text_format.MessageToString(config, as_utf8=True)


def widths(longest: int, multiple: int) -> list[int]:
    """Widths that slices of up to `longest` tokens can have."""
    return [*range(multiple, longest, multiple), longest]


def _add_warm_up(config: ModelConfig, rows: int, tokens: int) -> None:
    """All zeros: id 0 is in every vocabulary, and where nothing is shown, nothing matters but the shape."""
    sample = config.model_warmup.add(name=f"{rows} x {tokens}", batch_size=0)
    for name in (INPUT_IDS, ATTENTION_MASK):
        tensor = sample.inputs[name]
        tensor.data_type, tensor.zero_data = TYPE_INT32, True
        tensor.dims[:] = [rows, tokens]


def _add_cuda_graph(config: ModelConfig, rows: int, tokens: int) -> None:
    spec = config.optimization.cuda.graph_spec.add(batch_size=0)
    for name in (INPUT_IDS, ATTENTION_MASK):
        spec.input[name].dim[:] = [rows, tokens]
