"""Step `repository`: engine + the Triton model's code and configuration → a model repository for tritonserver."""

import os
import shutil
from pathlib import Path

from export.artefacts.atomic_folder import draft_of
from export.artefacts.files import ENGINE_FILE, ENGINE_WEIGHTS_FILE, REFERENCE_FILE, answers_of
from export.artefacts.record import RECORD_FILE, Record
from export.errors import ExportError
from export.parity.compare import LIMITS, Answers, Parity, check, compare
from export.parity.reference import write_reference
from export.parity.samples import sample_queries
from export.steps.engine import engine_precision
from export.steps.plan import PLAN_FILE, PlanRecord, refuse_foreign
from export.triton.config import CONFIG_FILE, MODEL_FOLDER, render
from export.triton.target_settings import ENCODER_FOLDER, ServedTarget, encoder_config, router_config
from routerdc_contract.bundle import GRAPH_FOLDER, Manifest, file_sha256
from routerdc_contract.tensors import ENCODER_MODEL, ROUTER_MODEL

VERSION = "1"


def repository_inputs(engine: Path, target: ServedTarget = "onnxruntime", plan: Path | None = None) -> dict[str, str]:
    """What the repository depends on: engine and plan (by their records), every file of the models' source, the target.

    Raises:
        ExportError: engine or plan has not been made.
    """
    engine_precision(engine)  # refuses a folder without an engine
    source = {path.name: file_sha256(path) for path in [MODEL_FOLDER / CONFIG_FILE, *_code()]}
    inputs = {"engine": file_sha256(engine / RECORD_FILE), "target": target, **source}
    if plan:
        inputs["plan"] = PlanRecord.read(plan).plan_sha256
    if target == "tensorrt":
        inputs[f"{ENCODER_MODEL}/{CONFIG_FILE}"] = file_sha256(ENCODER_FOLDER / CONFIG_FILE)
    return inputs


def make_repository(
    bundle: Path, engine: Path, repository: Path, target: ServedTarget = "onnxruntime", plan: Path | None = None
) -> Parity:
    """Fills `repository` again; an old one stays until the new one has passed its check.

    With a `plan` (targets tensorrt, where the encoder is a model of its own, and tensorrt-rtx) what is compared with
    torch is the typed graph that the plan was built of; else it is the filled model.

    Raises:
        ExportError: the filled model does not agree with torch, or the plan belongs to another graph, version or GPU.
        routerdc_contract.bundle.BundleError: the bundle cannot be used.
    """
    manifest = Manifest.read(bundle)
    inputs = repository_inputs(engine, target, plan)
    with draft_of(repository) as draft:
        _fill_router(draft / ROUTER_MODEL, engine, render(router_config(target), manifest), with_encoder=plan is None)
        if plan:
            _fill_plan(draft, target, engine, plan, manifest)
        reference, limits = Answers.read(bundle / GRAPH_FOLDER / REFERENCE_FILE), LIMITS[engine_precision(engine)]
        queries = sample_queries()
        answers = _typed_answers(engine, queries) if plan else answers_of(draft / ROUTER_MODEL / VERSION, queries)
        parity = compare(reference, answers, manifest.scale)
        check(parity, limits, str(repository))
        write_reference(draft / ROUTER_MODEL / VERSION, answers, limits, manifest.scale)
        Record.write(draft / ROUTER_MODEL, "repository", manifest.bundle_id, inputs, parity)
    return parity


def _fill_router(model: Path, engine: Path, config: str, *, with_encoder: bool) -> None:
    version = model / VERSION
    version.mkdir(parents=True)
    (model / CONFIG_FILE).write_text(config, encoding="utf-8")
    for source in _code():
        shutil.copyfile(source, version / source.name)
    for artefact in engine.iterdir():
        if with_encoder or artefact.name not in (ENGINE_FILE, ENGINE_WEIGHTS_FILE):
            link(artefact, version / artefact.name)


def _fill_plan(draft: Path, target: ServedTarget, engine: Path, plan: Path, manifest: Manifest) -> None:
    """The plan as a model of its own, or (tensorrt-rtx) in the model `routerdc`, which has the runtime then."""
    record = PlanRecord.read(plan)
    refuse_foreign(plan, record.flavour)
    if record.onnx_sha256 != file_sha256(engine / ENGINE_FILE):
        raise ExportError(f"{plan}: built of another graph than {engine}: run `routerdc export plan` first")
    model = draft / (ENCODER_MODEL if target == "tensorrt" else ROUTER_MODEL)
    (model / VERSION).mkdir(parents=True, exist_ok=True)
    link(plan / PLAN_FILE, model / VERSION / PLAN_FILE)
    if target == "tensorrt":
        (model / CONFIG_FILE).write_text(encoder_config(manifest, record.profiles), encoding="utf-8")


def _typed_answers(engine: Path, queries: list[str]) -> Answers:
    from export.onnx.assemble import typed_answers_of  # needs onnx, which serving on a CPU does without

    return typed_answers_of(engine, queries)


def _code() -> list[Path]:
    return sorted((MODEL_FOLDER / VERSION).glob("*.py"))


def link(source: str | Path, target: str | Path) -> None:
    """A hard link, so that the weights lie on the disk once; a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
