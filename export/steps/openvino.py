"""Step `openvino`: the engine step's artefacts → <out>/openvino/, the same with the encoder as OpenVINO stores it.

    encoder.xml    the graph in OpenVINO's own format (IR)
    encoder.bin    its tensors

An int8 graph stays one: OpenVINO takes its QuantizeLinear and DequantizeLinear for what they are.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from export.artefacts.atomic_folder import draft_of
from export.artefacts.files import ENGINE_FILE, ENGINE_WEIGHTS_FILE, IR_FILE
from export.artefacts.record import RECORD_FILE, Record
from export.errors import ExportError
from export.parity.compare import Parity
from export.steps.engine import PRECISION, engine_precision
from export.steps.gate import judged
from export.steps.repository import link
from routerdc_contract.bundle import Manifest, file_sha256


def openvino_inputs(engine: Path) -> dict[str, str]:
    """What the model depends on.

    Raises:
        ExportError: the engine has not been made, or OpenVINO is not installed.
    """
    precision = engine_precision(engine)  # refuses a folder without an engine
    return {"engine": file_sha256(engine / RECORD_FILE), "openvino": _openvino().__version__, PRECISION: precision}


def make_openvino_model(bundle: Path, engine: Path, folder: Path, queries: Sequence[Path] = ()) -> Parity:
    """Fills `folder` from `engine`; an old model stands until the new one has passed.

    `queries`: scored queries on which it is compared with torch, too (`export.parity.scored_queries`).

    Raises:
        ExportError: the engine has not been made, OpenVINO is not installed, or its answers do not agree with torch's.
        routerdc_contract.bundle.BundleError: the bundle cannot be used.
    """
    inputs = openvino_inputs(engine)
    with draft_of(folder) as draft:
        for artefact in engine.iterdir():
            if artefact.name not in (ENGINE_FILE, ENGINE_WEIGHTS_FILE, RECORD_FILE):
                link(artefact, draft / artefact.name)
        _convert(engine / ENGINE_FILE, draft / IR_FILE)
        parity, real = judged(bundle, draft, engine_precision(engine), queries, str(folder / IR_FILE))
        bundle_id = Manifest.read(bundle).bundle_id
        Record.write(draft, "openvino", bundle_id, inputs, parity, real.as_json() if real else None)
    return parity


def _convert(graph: Path, model: Path) -> None:
    """With the runtime's own reader: the converter beside it would report its use over the network."""
    openvino = _openvino()
    openvino.save_model(openvino.Core().read_model(graph), model, compress_to_fp16=False)


def _openvino() -> Any:
    try:
        return import_module("openvino")
    except ImportError as error:
        raise ExportError(
            f"--target openvino: {error}: pip install -c constraints.txt 'routerdc-triton[openvino]'"
        ) from None
