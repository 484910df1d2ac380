"""Step `openvino`: the engine step's artefacts → <out>/openvino/, the same with the encoder as OpenVINO stores it.

    encoder.xml    the graph in OpenVINO's own format (IR)
    encoder.bin    its tensors

An int8 graph stays one: OpenVINO takes its QuantizeLinear and DequantizeLinear for what they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from export.artefacts.files import ENGINE_FILE, ENGINE_WEIGHTS_FILE, IR_FILE, link
from export.artefacts.record import RECORD_FILE
from export.domain.errors import ExportError
from export.steps.engine import PRECISION, engine_fingerprint, engine_precision
from export.steps.evidence import evidence_of
from export.steps.step import Evidence, Step


@dataclass(frozen=True)
class OpenvinoStep(Step):
    """Converts the engine in the folder `engine`."""

    engine: Path
    queries: Sequence[Path] = ()
    """scored queries on which it is compared with torch, too (`export.parity.scored_queries`)"""
    name = "openvino"

    def inputs(self) -> dict[str, str]:
        """The model depends on the engine and on OpenVINO."""
        return {
            "engine": engine_fingerprint(self.engine),
            "openvino": _openvino().__version__,
            PRECISION: engine_precision(self.engine),
        }

    def build(self, draft: Path) -> Evidence:
        """Converts the graph, and links the engine's other files."""
        for artefact in self.engine.iterdir():
            if artefact.name not in (ENGINE_FILE, ENGINE_WEIGHTS_FILE, RECORD_FILE):
                link(artefact, draft / artefact.name)
        _convert(self.engine / ENGINE_FILE, draft / IR_FILE)
        return evidence_of(draft, self.bundle, engine_precision(self.engine), self.queries)


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
