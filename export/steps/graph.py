"""Step `graph`: bundle → <bundle>/graph/, the encoder as ONNX without its weights. The only step that needs torch.

    encoder.onnx            input_ids, attention_mask → embedding; initializers found in weights.json are left out
    weights.json            {initializer: which tensor of the encoder's or the bundle's safetensors file it is}
    reference.safetensors   torch's answers to the sample queries, which every later step is compared with
    export.json             how it was made, and its own parity

It is committed with the bundle, so that serving needs no torch.
"""

import logging
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import onnx

from export.artefacts.files import GRAPH_FILE, REFERENCE_FILE, REFS_FILE, answers_of, graph_inputs
from export.artefacts.record import Record
from export.onnx.assemble import weight_files, write_artefacts
from export.onnx.weights import Refs, take_out
from export.parity.compare import FP32, Answers, Parity, check, compare
from export.parity.samples import sample_queries
from routerdc_contract.bundle import GRAPH_FOLDER, Manifest
from routerdc_contract.tensors import ATTENTION_MASK, EMBEDDING, INPUT_IDS

if TYPE_CHECKING:
    from routerdc.loaded_bundle import Router
    from routerdc.model import RouterModel


def make_graph(bundle: Path) -> Parity:
    """Traces the bundle in the folder `bundle`.

    Raises:
        ExportError: the traced graph does not agree with torch.
        ModuleNotFoundError: torch is not installed.
        routerdc_contract.bundle.BundleError: the bundle cannot be used.
    """
    from routerdc.loaded_bundle import Router

    router = Router.load(bundle)
    queries = sample_queries()
    folder = bundle / GRAPH_FOLDER
    folder.mkdir(exist_ok=True)
    graph = trace(router.model, router.manifest.tokenizer.max_tokens)
    refs = take_out(graph, weight_files(bundle, router.manifest))
    onnx.save(graph, folder / GRAPH_FILE)
    (folder / REFS_FILE).write_bytes(Refs.dump_json(refs, indent=1, exclude_defaults=True) + b"\n")
    reference = torch_answers(router, queries)
    reference.write(folder / REFERENCE_FILE)
    parity = _parity(bundle, router.manifest, reference)
    Record.write(folder, "graph", router.manifest.bundle_id, graph_inputs(router.manifest), parity)
    return parity


def trace(model: "RouterModel", max_tokens: int) -> onnx.ModelProto:
    """`model.embed` as an ONNX graph with its weights; batch and sequence (up to `max_tokens`) are free."""
    import torch

    class Embed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.router = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.router.embed(input_ids, attention_mask)

    input_ids = torch.full((3, 7), 3, dtype=torch.int32)
    attention_mask = torch.ones_like(input_ids)
    attention_mask[0, 5:] = 0
    free = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("sequence", min=2, max=max_tokens)}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of operators that only torchvision has
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Embed().eval(),
            (input_ids, attention_mask),
            dynamo=True,
            verbose=False,
            input_names=[INPUT_IDS, ATTENTION_MASK],
            dynamic_shapes={INPUT_IDS: free, ATTENTION_MASK: free},
        )
    assert program is not None  # noqa: S101 - only None when it writes to a file itself
    graph = _without_traces(program.model_proto)
    _rename_value(graph, EMBEDDING, f"token_{EMBEDDING}")  # what the tracer calls the word embeddings' lookup
    _rename_value(graph, graph.graph.output[0].name, EMBEDDING)
    return graph


def torch_answers(router: "Router", queries: list[str]) -> Answers:
    """What torch answers: the reference of every comparison."""
    import numpy as np

    from routerdc.tokenization import token_ids

    limits = router.manifest.tokenizer
    ids = token_ids(router.tokenizer, queries, limits.max_tokens, limits.truncation_side)
    return Answers(
        embedding=router.embed(queries),
        scores=router.score(queries),
        token_count=np.array([len(row) for row in ids], dtype=np.int32),
    )


def _parity(bundle: Path, manifest: Manifest, reference: Answers) -> Parity:
    with TemporaryDirectory() as folder:
        write_artefacts(bundle, manifest, Path(folder))
        parity = compare(reference, answers_of(Path(folder), sample_queries()), manifest.scale)
    check(parity, FP32, "the traced graph")
    return parity


def _rename_value(model: onnx.ModelProto, old: str, new: str) -> None:
    for names in (names for node in model.graph.node for names in (node.input, node.output)):
        names[:] = [new if name == old else name for name in names]
    named: list[Any] = [*model.graph.output, *model.graph.initializer]
    for value in named:
        if value.name == old:
            value.name = new


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drops what the tracer notes for its own debugging: stack traces with paths of this machine, among others."""
    parts: list[Any] = [model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output]
    for part in [*parts, *model.graph.initializer]:
        del part.metadata_props[:]
        part.doc_string = ""
    del model.graph.value_info[:]
    return model
