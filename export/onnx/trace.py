"""Traces a bundle's encoder with torch. Needs torch and onnx."""

import dataclasses
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from export.parity.compare import Answers
from routerdc_contract.tensors import ATTENTION_MASK, EMBEDDING, INPUT_IDS

if TYPE_CHECKING:
    from routerdc.loaded_bundle import Router
    from routerdc.model import RouterModel


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
    import torch

    from routerdc.tokenization import token_ids

    limits = router.manifest.tokenizer
    ids = token_ids(router.tokenizer, queries, limits.max_tokens, limits.truncation_side)
    embedding = router.embed(queries)
    with torch.inference_mode():
        embedded = torch.from_numpy(embedding)
        scores = router.model.score(embedded)
        familiarity = known(embedded) if (known := router.model.familiarity) else None
    return Answers(
        embedding=embedding,
        scores=scores.numpy(),
        token_count=np.array([len(row) for row in ids], dtype=np.int32),
        familiarity=None if familiarity is None else familiarity.numpy(),
    )


def rescored(answers: Answers, bundle: Path) -> Answers:
    """What torch answers with the head of `bundle`; `answers` are those of another head over the same encoder."""
    import torch

    from routerdc.bundle_io import load_head

    with torch.inference_mode():
        scores = load_head(bundle).score(torch.from_numpy(answers.embedding))
    return dataclasses.replace(answers, scores=scores.numpy())


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
