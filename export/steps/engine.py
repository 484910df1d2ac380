"""Step `engine`: graph + the pinned encoder's weights → the artefacts of `export.artefacts.files`. No torch.

An int8 engine is small enough to travel with its bundle (`routerdc_contract.bundle.ENGINE_FOLDER`), so that serving
needs neither the encoder's own weights nor onnx.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from export.artefacts.files import (
    ENGINE_FILE,
    ENGINE_WEIGHTS_FILE,
    GRAPH_FILE,
    REFERENCE_FILE,
    REFS_FILE,
    graph_inputs,
    write_router_files,
)
from export.artefacts.record import RECORD_FILE, Record
from export.domain.errors import ExportError
from export.domain.targets import Precision
from export.steps.evidence import evidence_of
from export.steps.step import Evidence, Step
from routerdc_contract.bundle import GRAPH_FOLDER, Manifest, file_sha256

PRECISION = "precision"  # among the inputs in the engine's record


@dataclass(frozen=True)
class EngineStep(Step):
    """Makes the engine of the bundle in the folder `bundle`, whose graph must be current."""

    precision: Precision = "fp32"
    queries: Sequence[Path] = ()
    """scored queries on which it is compared with torch, too (`export.parity.scored_queries`)"""
    name = "engine"

    def inputs(self) -> dict[str, str]:
        """The engine depends on the graph with its reference, and on the precision."""
        graph = self.bundle / GRAPH_FOLDER
        if not (graph / GRAPH_FILE).is_file():
            raise ExportError(
                f"{graph}: {GRAPH_FILE} is missing: run `routerdc export graph --bundle {self.bundle}` first"
            )
        files = {
            f"{GRAPH_FOLDER}/{file}": file_sha256(graph / file) for file in (GRAPH_FILE, REFS_FILE, REFERENCE_FILE)
        }
        return {**graph_inputs(Manifest.read(self.bundle)), **files, PRECISION: self.precision}

    def build(self, draft: Path) -> Evidence:
        """Puts the weights into the graph, in the precision asked for."""
        with self._onnx():
            from export.onnx.assemble import write_artefacts
        write_artefacts(self.bundle, draft, self.precision)
        return self._evidence(draft)

    def build_head(self, draft: Path) -> Evidence:
        """Keeps graph and weights, which hold nothing of the head."""
        self._keep(draft, ENGINE_FILE, ENGINE_WEIGHTS_FILE)
        write_router_files(self.bundle, Manifest.read(self.bundle), draft)
        return self._evidence(draft)

    def _evidence(self, draft: Path) -> Evidence:
        with self._onnx():
            from export.onnx.assemble import runnable
        with runnable(draft, self.precision) as artefacts:
            return evidence_of(artefacts, self.bundle, self.precision, self.queries)

    @contextmanager
    def _onnx(self) -> Iterator[None]:
        """Says what to install where a package is missing that the block imports."""
        try:
            yield
        except ModuleNotFoundError as error:
            raise ExportError(
                f"{self.folder}: the engine has to be made anew, which needs {error.name}: "
                "pip install -c constraints.txt 'routerdc-triton[export]'"
            ) from None


def engine_fingerprint(engine: Path) -> str:
    """Tells engines apart: the SHA-256 of the record in the folder `engine`.

    Raises:
        ExportError: the engine has not been made.
    """
    _record(engine)
    return file_sha256(engine / RECORD_FILE)


def encoder_fingerprint(engine: Path) -> str:
    """Tells encoders of engines apart: SHA-256 of graph and weights, which another head leaves as they are.

    Raises:
        ExportError: the engine has not been made.
    """
    outputs = _record(engine).outputs
    return hashlib.sha256("".join(outputs.get(f, "") for f in (ENGINE_FILE, ENGINE_WEIGHTS_FILE)).encode()).hexdigest()


def engine_precision(engine: Path) -> Precision:
    """What the engine in the folder `engine` computes in.

    Raises:
        ExportError: the engine has not been made.
    """
    return TypeAdapter[Precision](Precision).validate_python(_record(engine).inputs.get(PRECISION, "fp32"))


def _record(engine: Path) -> Record:
    try:
        return Record.read(engine)
    except FileNotFoundError:
        raise ExportError(f"{engine}: no engine there: run `routerdc export engine` first") from None
