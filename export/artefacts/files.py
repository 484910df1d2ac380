"""The files that a version of the Triton model needs, and what they answer.

encoder.onnx      in the precision asked for, its types in the graph (export.onnx.assemble)
encoder.weights   its tensors; only those of the encoder, so a newly trained head leaves the file as it is
encoder.xml       in place of both where OpenVINO serves (export.steps.openvino), with encoder.bin
head.npz          llm_embeddings (n_llms, dim), llm_bias (n_llms,); where the bundle knows how familiar a query is, the
                  tensors of `FAMILIARITY_TENSORS`, too
tokenizer.json    the bundle's
neighbours.npz    the bundle's, where it has them
router.json       bundle_id, llms, scale, max_tokens, truncation_side

Serving comes here, so nothing here needs torch or onnx. Does not know steps, or what the answers are compared with.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from export.parity.compare import Answers
from export.parity.triton_model_runner import batch_error, served_answers
from export.triton.config import MODEL_FOLDER, parameter, read_config
from routerdc_contract import SAMPLE_QUERIES_FILE
from routerdc_contract.bundle import NEIGHBOURS_FILE, TOKENIZER_FILE, WEIGHTS_FILE, Manifest, file_sha256

GRAPH_FILE = "encoder.onnx"  # without weights, in the bundle's folder graph/
REFS_FILE = "weights.json"  # beside it: which tensors they are
REFERENCE_FILE = "reference.safetensors"  # beside it: torch's answers to the sample queries
ENGINE_FILE = "encoder.onnx"
ENGINE_WEIGHTS_FILE = "encoder.weights"
IR_FILE = "encoder.xml"
HEAD_FILE = "head.npz"
ROUTER_FILE = "router.json"
HEAD_TENSORS = ("llm_embeddings", "llm_bias")
TENSORS_BY_LLM = (*HEAD_TENSORS, "familiarity.prior")  # a row for each LLM; no embedding depends on them
FAMILIARITY_TENSORS = ("familiarity.anchors", "familiarity.gate", "familiarity.prior")


def graph_inputs(manifest: Manifest) -> dict[str, str]:
    """What the graph of a bundle depends on."""
    return {"bundle": manifest.bundle_id, SAMPLE_QUERIES_FILE.name: file_sha256(SAMPLE_QUERIES_FILE)}


def encoder_sha256(bundle: Path) -> str:
    """Tells encoders apart: everything in a bundle that a query's embedding depends on.

    Bundles that differ in their LLMs alone (`routerdc pool add`) have the same.

    Raises:
        routerdc_contract.bundle.BundleError: there is no whole bundle.
    """
    from safetensors import safe_open

    manifest = Manifest.read(bundle)
    parts = [manifest.encoder.model_dump(mode="json"), manifest.tokenizer.model_dump(mode="json"), manifest.dim]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    with safe_open(bundle / WEIGHTS_FILE, framework="numpy") as file:
        for name in sorted(set(file.keys()) - set(TENSORS_BY_LLM)):
            tensor = file.get_tensor(name)
            digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
            digest.update(tensor.tobytes())
    return digest.hexdigest()


def write_router_files(bundle: Path, manifest: Manifest, folder: Path) -> None:
    """Writes all files but the encoder's into `folder`."""
    from safetensors.numpy import load_file

    tensors = load_file(bundle / WEIGHTS_FILE)
    familiarity = {name: tensors[name] for name in FAMILIARITY_TENSORS if name in tensors}
    np.savez(folder / HEAD_FILE, **{name: tensors[name] for name in HEAD_TENSORS}, **familiarity)
    shutil.copyfile(bundle / TOKENIZER_FILE, folder / TOKENIZER_FILE)
    if manifest.neighbours_sha256 is not None:
        shutil.copyfile(bundle / NEIGHBOURS_FILE, folder / NEIGHBOURS_FILE)
    (folder / ROUTER_FILE).write_text(json.dumps(_router(manifest), indent=2, ensure_ascii=False) + "\n", "utf-8")


def answers_of(folder: Path, queries: Sequence[str]) -> Answers:
    """Answers of the artefacts in `folder`, computed by the Triton model's own code."""
    slice_tokens = int(parameter(read_config(), "slice_tokens"))
    return served_answers(MODEL_FOLDER / "1", folder, _engine(folder), slice_tokens, queries)


def batch_error_of(folder: Path, queries: Sequence[str]) -> float:
    """By how much a score of the artefacts in `folder` depends on the other queries of its batch."""
    return batch_error(MODEL_FOLDER / "1", folder, _engine(folder), queries)


def link(source: str | Path, target: str | Path) -> None:
    """Makes a hard link, so that the weights lie on the disk once; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _engine(folder: Path) -> str:
    """Whose files they are."""
    return "openvino" if (folder / IR_FILE).is_file() else "onnxruntime"


def _router(manifest: Manifest) -> dict[str, object]:
    return {
        "bundle_id": manifest.bundle_id,
        "llms": manifest.llm_names,
        "scale": manifest.scale,
        "max_tokens": manifest.tokenizer.max_tokens,
        "truncation_side": manifest.tokenizer.truncation_side,
    }
