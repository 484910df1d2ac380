"""Step `engine`: graph + the pinned encoder's weights → the files that a version of the Triton model needs. No torch.

encoder.onnx     in the precision asked for, its types in the graph (export.precision)
head.npz         llm_embeddings (n_llms, dim), llm_bias (n_llms,)
tokenizer.json   the bundle's
router.json      bundle_id, llms, scale, max_tokens, truncation_side
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from pydantic import TypeAdapter

from contract.bundle import GRAPH_FOLDER, TOKENIZER_FILE, WEIGHTS_FILE, Manifest, file_sha256
from export.errors import ExportError
from export.graph import GRAPH_FILE, REFERENCE_FILE, REFS_FILE, inputs_of, weight_files
from export.parity import LIMITS, Answers, Parity, check, compare
from export.precision import Precision, to_precision, with_fp32_kernels
from export.record import Record
from export.samples import sample_queries
from export.served import served_answers
from export.simplify import simplify
from export.triton_config import MODEL_FOLDER, parameter, read_config
from export.weights import Refs, put_back, read_tensors

ENGINE_FILE = "encoder.onnx"
HEAD_FILE = "head.npz"
ROUTER_FILE = "router.json"
PRECISION = "precision"  # among the inputs in the engine's record
HEAD_TENSORS = ("llm_embeddings", "llm_bias")


def engine_inputs(bundle: Path, manifest: Manifest, precision: Precision) -> dict[str, str]:
    """What the engine depends on.

    Raises:
        ExportError: the graph has not been traced.
    """
    graph = bundle / GRAPH_FOLDER
    if not (graph / GRAPH_FILE).is_file():
        raise ExportError(f"{graph}: {GRAPH_FILE} is missing: run `routerdc export graph --bundle {bundle}` first")
    files = {f"{GRAPH_FOLDER}/{name}": file_sha256(graph / name) for name in (GRAPH_FILE, REFS_FILE, REFERENCE_FILE)}
    return {**inputs_of(manifest), **files, PRECISION: precision}


def make_engine(bundle: Path, folder: Path, precision: Precision = "fp32") -> Parity:
    """Fills `folder` from the bundle, whose graph must be current.

    Raises:
        ExportError: weights are missing, or the engine does not agree with torch.
        contract.bundle.BundleError: the bundle or its encoder cannot be used.
    """
    manifest = Manifest.read(bundle)
    inputs = engine_inputs(bundle, manifest, precision)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_artefacts(bundle, manifest, folder, precision)
    reference = Answers.read(bundle / GRAPH_FOLDER / REFERENCE_FILE)
    answers = answers_of if precision == "fp32" else typed_answers_of
    parity = compare(reference, answers(folder, sample_queries()), manifest.scale)
    check(parity, LIMITS[precision], str(folder / ENGINE_FILE))
    Record.write(folder, "engine", manifest.bundle_id, inputs, parity)
    return parity


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


def engine_precision(engine: Path) -> Precision:
    """What the engine in the folder `engine` computes in.

    Raises:
        ExportError: the engine has not been made.
    """
    try:
        record = Record.read(engine)
    except FileNotFoundError:
        raise ExportError(f"{engine}: no engine there: run `routerdc export engine` first") from None
    return TypeAdapter[Precision](Precision).validate_python(record.inputs.get(PRECISION, "fp32"))


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
