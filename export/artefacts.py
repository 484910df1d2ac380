"""The files that a version of the Triton model needs, made from a bundle's graph, and what they answer. No torch.

encoder.onnx     in the precision asked for, its types in the graph (export.precision)
head.npz         llm_embeddings (n_llms, dim), llm_bias (n_llms,)
tokenizer.json   the bundle's
router.json      bundle_id, llms, scale, max_tokens, truncation_side

Does not know steps, records or what the answers are compared with.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from contract.bundle import GRAPH_FOLDER, TOKENIZER_FILE, WEIGHTS_FILE, Manifest
from export.parity import Answers
from export.precision import Precision, to_precision, with_fp32_kernels
from export.served import served_answers
from export.simplify import simplify
from export.triton_config import MODEL_FOLDER, parameter, read_config
from export.weights import Refs, Source, put_back, read_tensors
from routerdc.encoder_source import resolve_encoder, weights_file

GRAPH_FILE = "encoder.onnx"  # without weights, in the bundle's folder graph/
REFS_FILE = "weights.json"  # beside it: which tensors they are
ENGINE_FILE = "encoder.onnx"
HEAD_FILE = "head.npz"
ROUTER_FILE = "router.json"
HEAD_TENSORS = ("llm_embeddings", "llm_bias")


def weight_files(bundle: Path, manifest: Manifest) -> dict[Source, Path]:
    """The safetensors files that hold the graph's weights.

    Raises:
        contract.bundle.BundleError: the pinned encoder cannot be found.
    """
    return {"encoder": weights_file(resolve_encoder(manifest.encoder)), "bundle": bundle / WEIGHTS_FILE}


def write_artefacts(bundle: Path, manifest: Manifest, folder: Path, precision: Precision = "fp32") -> None:
    """Writes the four files into `folder`; the graph passes ONNX's checker first."""
    graph = onnx.load(bundle / GRAPH_FOLDER / GRAPH_FILE)
    refs = Refs.validate_json((bundle / GRAPH_FOLDER / REFS_FILE).read_bytes())
    put_back(graph, refs, weight_files(bundle, manifest))
    simplify(graph)
    typed = to_precision(graph, precision)
    onnx.checker.check_model(typed, full_check=True)
    onnx.save(typed, folder / ENGINE_FILE)
    np.savez(folder / HEAD_FILE, **read_tensors(bundle / WEIGHTS_FILE, HEAD_TENSORS))
    shutil.copyfile(bundle / TOKENIZER_FILE, folder / TOKENIZER_FILE)
    (folder / ROUTER_FILE).write_text(json.dumps(_router(manifest), indent=2, ensure_ascii=False) + "\n", "utf-8")


def answers_of(folder: Path, queries: Sequence[str]) -> Answers:
    """Answers of the artefacts in `folder`, computed by the Triton model's own code."""
    slice_tokens = int(parameter(read_config(), "slice_tokens"))
    return served_answers(MODEL_FOLDER / "1", folder, slice_tokens, queries)


def typed_answers_of(folder: Path, queries: Sequence[str]) -> Answers:
    """The same, rounding where the typed graph says so, whatever half kernels this machine has."""
    with TemporaryDirectory() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns(ENGINE_FILE))
        onnx.save(with_fp32_kernels(onnx.load(folder / ENGINE_FILE)), Path(copy) / ENGINE_FILE)
        return answers_of(Path(copy), queries)


def _router(manifest: Manifest) -> dict[str, object]:
    return {
        "bundle_id": manifest.bundle_id,
        "llms": manifest.llm_names,
        "scale": manifest.scale,
        "max_tokens": manifest.tokenizer.max_tokens,
        "truncation_side": manifest.tokenizer.truncation_side,
    }
