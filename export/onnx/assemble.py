"""The bundle's graph with its weights in the precision asked for, as an engine reads it. Needs onnx, no torch."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from export.artefacts.files import (
    ENGINE_FILE,
    ENGINE_WEIGHTS_FILE,
    GRAPH_FILE,
    REFS_FILE,
    answers_of,
    write_router_files,
)
from export.domain.targets import Precision
from export.onnx.calibration import calibrate
from export.onnx.precision import HALF_TYPES, to_precision, with_fp32_kernels
from export.onnx.quantization import to_int8
from export.onnx.simplify import simplify
from export.onnx.weights import Refs, Source, put_back
from export.parity.compare import Answers
from export.parity.samples import sample_queries
from export.parity.triton_model_runner import served_tokens
from export.triton.config import MODEL_FOLDER
from routerdc.encoder_source import resolve_encoder, weights_file
from routerdc_contract.bundle import GRAPH_FOLDER, WEIGHTS_FILE, Manifest

SMALLEST_STORED_APART = 128 * 1024  # bytes: the encoder's matrices, not those of a trained projection


def weight_files(bundle: Path, manifest: Manifest) -> dict[Source, Path]:
    """The safetensors files that hold the graph's weights.

    Raises:
        routerdc_contract.bundle.BundleError: the pinned encoder cannot be found.
    """
    return {"encoder": weights_file(resolve_encoder(manifest.encoder)), "bundle": bundle / WEIGHTS_FILE}


def fp32_graph(bundle: Path, traced: Path) -> onnx.ModelProto:
    """The graph in the folder `traced` with its weights, simplified.

    Raises:
        ExportError: a weight is missing.
        routerdc_contract.bundle.BundleError: the pinned encoder cannot be found.
    """
    graph = onnx.load(traced / GRAPH_FILE)
    refs = Refs.validate_json((traced / REFS_FILE).read_bytes())
    put_back(graph, refs, weight_files(bundle, Manifest.read(bundle)))
    simplify(graph)
    return graph


def write_artefacts(bundle: Path, folder: Path, precision: Precision = "fp32", *, graph: Path | None = None) -> None:
    """Writes the files of `export.artefacts.files` into `folder`; the graph passes ONNX's checker first.

    `graph`: the folder of the traced graph; None: the bundle's own.
    """
    write_router_files(bundle, Manifest.read(bundle), folder)
    model = fp32_graph(bundle, graph or bundle / GRAPH_FOLDER)
    if precision in ("int8", "int8-gpu"):
        rows = served_tokens(MODEL_FOLDER / "1", folder, sample_queries())
        model = to_int8(model, calibrate(model, rows), for_gpu=precision == "int8-gpu")
    save_graph(to_precision(model, precision), folder)


def save_graph(graph: onnx.ModelProto, folder: Path) -> None:
    """Writes `graph` as the engine in `folder`, which keeps no older one."""
    onnx.checker.check_model(graph, full_check=True)
    (folder / ENGINE_WEIGHTS_FILE).unlink(missing_ok=True)  # onnx would append to it
    onnx.save(
        graph,
        folder / ENGINE_FILE,
        save_as_external_data=True,
        location=ENGINE_WEIGHTS_FILE,
        size_threshold=SMALLEST_STORED_APART,
    )
    (folder / ENGINE_WEIGHTS_FILE).chmod(0o644)  # onnx lets nobody but its owner read it; Triton may be another user


def typed_answers_of(folder: Path, queries: Sequence[str]) -> Answers:
    """Answers of a typed engine, rounding where its graph says so, whatever half kernels this machine has."""
    with _with_fp32_kernels(folder) as artefacts:
        return answers_of(artefacts, queries)


def runnable(folder: Path, precision: Precision) -> AbstractContextManager[Path]:
    """The artefacts in `folder` so that any CPU computes what they say, until the block ends."""
    return _with_fp32_kernels(folder) if precision in HALF_TYPES else nullcontext(folder)


@contextmanager
def _with_fp32_kernels(folder: Path) -> Iterator[Path]:
    with TemporaryDirectory() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("encoder.*"))
        save_graph(with_fp32_kernels(onnx.load(folder / ENGINE_FILE)), Path(copy))
        yield Path(copy)
