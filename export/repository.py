"""Step `repository`: engine + the Triton model's code and configuration → a model repository for tritonserver."""

import os
import shutil
from pathlib import Path

from contract.bundle import GRAPH_FOLDER, Manifest, file_sha256
from contract.tensors import ROUTER_MODEL
from export.engine import answers_of, engine_precision
from export.graph import REFERENCE_FILE
from export.parity import LIMITS, Answers, Parity, check, compare
from export.record import RECORD_FILE, Record
from export.samples import sample_queries
from export.triton_config import CONFIG_FILE, MODEL_FOLDER, read_config, render

VERSION = "1"


def repository_inputs(engine: Path) -> dict[str, str]:
    """What the repository depends on: the engine (by its record) and every file of the model's source.

    Raises:
        ExportError: the engine has not been made.
    """
    engine_precision(engine)
    source = {path.name: file_sha256(path) for path in [MODEL_FOLDER / CONFIG_FILE, *_code()]}
    return {"engine": file_sha256(engine / RECORD_FILE), **source}


def make_repository(bundle: Path, engine: Path, repository: Path) -> Parity:
    """Fills `repository` anew; an old one stands until the new one has passed.

    Raises:
        ExportError: the filled model does not agree with torch.
        contract.bundle.BundleError: the bundle cannot be used.
    """
    manifest = Manifest.read(bundle)
    inputs = repository_inputs(engine)
    draft = repository.with_name(repository.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    _fill(draft / ROUTER_MODEL, engine, manifest)
    reference = Answers.read(bundle / GRAPH_FOLDER / REFERENCE_FILE)
    parity = compare(reference, answers_of(draft / ROUTER_MODEL / VERSION, sample_queries()), manifest.scale)
    check(parity, LIMITS[engine_precision(engine)], str(repository))
    Record.write(draft / ROUTER_MODEL, "repository", manifest.bundle_id, inputs, parity)
    shutil.rmtree(repository, ignore_errors=True)
    draft.rename(repository)
    return parity


def _fill(model: Path, engine: Path, manifest: Manifest) -> None:
    version = model / VERSION
    version.mkdir(parents=True)
    (model / CONFIG_FILE).write_text(render(read_config(), manifest), encoding="utf-8")
    for source in _code():
        shutil.copyfile(source, version / source.name)
    for artefact in engine.iterdir():
        _link(artefact, version / artefact.name)


def _code() -> list[Path]:
    return sorted((MODEL_FOLDER / VERSION).glob("*.py"))


def _link(source: Path, target: Path) -> None:
    """A hard link, so that the weights lie on the disk once; a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
