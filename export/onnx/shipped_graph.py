"""The graph of a shipped bundle for a new one that is built like it: tracing says the same, in ten CPU seconds.

A graph holds hardly any weights (`export.onnx.weights`), so it depends on the encoder and on what the trained tensors
are called; how wide they are stands in it only where `_widened` changes it. What the shipped recipe trains is built
like a shipped bundle, and so is a prior. Needs no torch.
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
    """Graph of `bundle` and references to its weights; None: it is built like no shipped bundle."""
    build = build_of(bundle)
    for known in sorted(path.parent for path in shipped.glob(f"*/{GRAPH_FOLDER}")):
        if known.resolve() != bundle.resolve() and build_of(known) == build:
            graph = onnx.load(known / GRAPH_FOLDER / GRAPH_FILE)
            _widened(graph, Manifest.read(bundle).dim)
            _fill(graph, bundle)
            return graph, Refs.validate_json((known / GRAPH_FOLDER / REFS_FILE).read_bytes())
    return None


def build_of(bundle: Path) -> tuple[object, ...]:
    """What the nodes of the graph of `bundle` depend on: the encoder, and which tensors make an embedding of it.

    Raises:
        routerdc_contract.bundle.BundleError: there is no whole bundle.
    """
    encoder = Manifest.read(bundle).encoder
    with safe_open(bundle / WEIGHTS_FILE, framework="numpy") as file:
        names = sorted(embedding_tensors(list(file.keys())))
        types = [(name, file.get_slice(name).get_dtype()) for name in names]
    return encoder.weights_sha256, encoder.layers, encoder.pooling, *types


def embedding_tensors(names: list[str]) -> list[str]:
    """Those of a bundle's tensors that are part of its graph."""
    return [name for name in names if name not in {*TENSORS_BY_LLM, *FAMILIARITY_TENSORS}]


def _widened(graph: onnx.ModelProto, dim: int) -> None:
    """Makes the graph's embeddings `dim` wide.

    The tracer expands the length of an embedding to the shipped width before it divides by it. Division does that
    itself, to any width.
    """
    expanded = {node.output[0]: node.input[0] for node in graph.graph.node if node.op_type == "Expand"}
    for node in graph.graph.node:
        if node.op_type == "Div" and node.input[1] in expanded:
            node.input[1] = expanded[node.input[1]]
    graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value = dim
    _drop_unread(graph)


def _drop_unread(graph: onnx.ModelProto) -> None:
    """Takes out the nodes on which no output depends."""
    read = {output.name for output in graph.graph.output}
    left = []
    for node in reversed(graph.graph.node):
        if read.intersection(node.output):
            left.append(node)
            read.update(node.input)
    del graph.graph.node[:]
    graph.graph.node.extend(reversed(left))


def _fill(graph: onnx.ModelProto, bundle: Path) -> None:
    """Puts the bundle's own values where the graph itself holds a trained tensor."""
    tensors = read_tensors(bundle / WEIGHTS_FILE)
    for initializer in graph.graph.initializer:
        if initializer.name.startswith(TRACED_PREFIX):
            array = tensors[initializer.name.removeprefix(TRACED_PREFIX)]
            initializer.CopyFrom(numpy_helper.from_array(array, initializer.name))
