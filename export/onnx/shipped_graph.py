"""The graph of a shipped bundle for a new one of the same shape: tracing gives the same graph, in ten CPU seconds.

A graph holds hardly any weights (`export.onnx.weights`), so it depends on the encoder and on the shapes of the trained
tensors alone. What the shipped recipe trains has the shape of a shipped bundle. Needs no torch.
"""

from pathlib import Path

import onnx
from onnx import numpy_helper
from safetensors import safe_open

from export.artefacts.files import FAMILIARITY_TENSORS, GRAPH_FILE, REFS_FILE, TENSORS_BY_LLM
from export.onnx.weights import Refs, WeightRef, read_tensors
from routerdc_contract.bundle import GRAPH_FOLDER, WEIGHTS_FILE, Manifest

SHIPPED = Path(__file__).parents[2] / "bundles"
TRACED_PREFIX = "router."
"""Before the name of a trained tensor that is so small that it lies in the graph itself."""


def graph_like_shipped(bundle: Path, shipped: Path = SHIPPED) -> tuple[onnx.ModelProto, dict[str, WeightRef]] | None:
    """Graph and references to its weights, as tracing `bundle` gives them; None: it has no shipped bundle's shape."""
    shape = shape_of(bundle)
    for known in sorted(path.parent for path in shipped.glob(f"*/{GRAPH_FOLDER}")):
        if known.resolve() != bundle.resolve() and shape_of(known) == shape:
            graph = onnx.load(known / GRAPH_FOLDER / GRAPH_FILE)
            _fill(graph, bundle)
            return graph, Refs.validate_json((known / GRAPH_FOLDER / REFS_FILE).read_bytes())
    return None


def shape_of(bundle: Path) -> tuple[object, ...]:
    """Everything that the graph of `bundle` depends on: the encoder, and the tensors that make an embedding of it.

    Raises:
        routerdc_contract.bundle.BundleError: there is no whole bundle.
    """
    encoder = Manifest.read(bundle).encoder
    with safe_open(bundle / WEIGHTS_FILE, framework="numpy") as file:
        slices = {name: file.get_slice(name) for name in embedding_tensors(list(file.keys()))}
        shapes = [(name, part.get_dtype(), tuple(part.get_shape())) for name, part in sorted(slices.items())]
    return encoder.weights_sha256, encoder.layers, encoder.pooling, *shapes


def embedding_tensors(names: list[str]) -> list[str]:
    """Those of a bundle's tensors that are part of its graph."""
    return [name for name in names if name not in {*TENSORS_BY_LLM, *FAMILIARITY_TENSORS}]


def _fill(graph: onnx.ModelProto, bundle: Path) -> None:
    """Puts the bundle's own values where the graph itself holds a trained tensor."""
    tensors = read_tensors(bundle / WEIGHTS_FILE)
    for initializer in graph.graph.initializer:
        if initializer.name.startswith(TRACED_PREFIX):
            array = tensors[initializer.name.removeprefix(TRACED_PREFIX)]
            initializer.CopyFrom(numpy_helper.from_array(array, initializer.name))
