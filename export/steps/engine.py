"""Step `engine`: graph + the pinned encoder's weights → the artefacts of `export.artefacts.files`. No torch.

An int8 engine is small enough to travel with its bundle (`routerdc_contract.bundle.ENGINE_FOLDER`), so that serving
needs neither the encoder's own weights nor onnx.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from export.artefacts.atomic_folder import draft_of
from export.artefacts.files import ENGINE_FILE, GRAPH_FILE, REFERENCE_FILE, REFS_FILE, graph_inputs
from export.artefacts.record import Record
from export.errors import ExportError
from export.parity.compare import Parity
from export.steps.gate import judged
from export.targets import Precision
from routerdc_contract.bundle import GRAPH_FOLDER, Manifest, file_sha256

PRECISION = "precision"  # among the inputs in the engine's record


def engine_inputs(bundle: Path, manifest: Manifest, precision: Precision) -> dict[str, str]:
    """What the engine depends on.

    Raises:
        ExportError: the graph has not been traced.
    """
    graph = bundle / GRAPH_FOLDER
    if not (graph / GRAPH_FILE).is_file():
        raise ExportError(f"{graph}: {GRAPH_FILE} is missing: run `routerdc export graph --bundle {bundle}` first")
    files = {f"{GRAPH_FOLDER}/{name}": file_sha256(graph / name) for name in (GRAPH_FILE, REFS_FILE, REFERENCE_FILE)}
    return {**graph_inputs(manifest), **files, PRECISION: precision}


def make_engine(bundle: Path, folder: Path, precision: Precision = "fp32", queries: Sequence[Path] = ()) -> Parity:
    """Fills `folder` from the bundle, whose graph must be current; an old engine stands until the new one has passed.

    `queries`: scored queries on which it is compared with torch, too (`export.parity.scored_queries`).

    Raises:
        ExportError: weights or packages are missing, or the engine does not agree with torch.
        routerdc_contract.bundle.BundleError: the bundle or its encoder cannot be used.
    """
    try:
        from export.onnx.assemble import runnable, write_artefacts
    except ModuleNotFoundError as error:
        raise ExportError(
            f"{folder}: the engine has to be made anew, which needs {error.name}: "
            "pip install -c constraints.txt 'routerdc-triton[export]'"
        ) from None
    manifest = Manifest.read(bundle)
    inputs = engine_inputs(bundle, manifest, precision)
    with draft_of(folder) as draft:
        write_artefacts(bundle, manifest, draft, precision)
        with runnable(draft, precision) as artefacts:
            parity, real = judged(bundle, artefacts, precision, queries, str(folder / ENGINE_FILE))
        Record.write(draft, "engine", manifest.bundle_id, inputs, parity, real.as_json() if real else None)
    return parity


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
