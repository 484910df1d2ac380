"""Step `repository`: engine + the Triton model's code and configuration → a model repository for tritonserver."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.artefacts.files import ENGINE_FILE, ENGINE_WEIGHTS_FILE, answers_of, link
from export.domain.errors import ExportError
from export.parity.compare import LIMITS, Answers
from export.parity.reference import write_reference
from export.parity.samples import sample_queries
from export.parity.scored_queries import texts_of
from export.parity.token_ids import compare_tokens, generated_texts
from export.steps.engine import engine_fingerprint, engine_precision
from export.steps.evidence import reference_of
from export.steps.plan import PLAN_FILE, PlanRecord, refuse_foreign
from export.steps.step import Evidence, Step
from export.triton.config import CONFIG_FILE, MODEL_FOLDER, render
from export.triton.target_settings import ENCODER_FOLDER, ServedTarget, encoder_config, router_config
from routerdc_contract.bundle import Manifest, file_sha256
from routerdc_contract.tensors import ENCODER_MODEL, ROUTER_MODEL

VERSION = "1"


@dataclass(frozen=True)
class RepositoryStep(Step):
    """Fills a model repository from the engine in the folder `engine`.

    With a `plan` (targets tensorrt, where the encoder is a model of its own, and tensorrt-rtx) what is compared with
    torch is the typed graph that the plan was built of; otherwise it is the filled model.
    """

    engine: Path
    target: ServedTarget = "onnxruntime"
    plan: Path | None = None
    queries: Sequence[Path] = ()
    """data sets whose texts are tokenized both ways, too (`export.parity.token_ids`)"""
    name = "repository"
    record_folder = ROUTER_MODEL

    def inputs(self) -> dict[str, str]:
        """The repository depends on engine and plan (by their records), the models' source files, and the target."""
        source = {CONFIG_FILE: file_sha256(MODEL_FOLDER / CONFIG_FILE)}
        source |= {str(path): file_sha256(MODEL_FOLDER / VERSION / path) for path in _code()}
        inputs = {"engine": engine_fingerprint(self.engine), "target": self.target, **source}
        if self.plan:
            inputs["plan"] = PlanRecord.read(self.plan).plan_sha256
        if self.target == "tensorrt":
            inputs[f"{ENCODER_MODEL}/{CONFIG_FILE}"] = file_sha256(ENCODER_FOLDER / CONFIG_FILE)
        return inputs

    def build(self, draft: Path) -> Evidence:
        """Fills the models, and the answers with which Triton checks itself when it loads them."""
        manifest = Manifest.read(self.bundle)
        version = draft / ROUTER_MODEL / VERSION
        config = render(router_config(self.target), manifest)
        _fill_router(draft / ROUTER_MODEL, self.engine, config, with_encoder=self.plan is None)
        if self.plan:
            _fill_plan(draft, self.target, self.engine, self.plan, manifest)
        queries, precision = sample_queries(), engine_precision(self.engine)
        answers = _typed_answers(self.engine, queries) if self.plan else answers_of(version, queries)
        write_reference(version, answers, LIMITS[precision], manifest.scale)
        texts = [*queries, *generated_texts(), *texts_of(self.queries)]
        return Evidence(
            precision,
            reference_of(self.bundle),
            answers,
            tokens=compare_tokens(version, self.bundle, texts),
            is_own=self.plan is None,
        )


def _fill_router(model: Path, engine: Path, config: str, *, with_encoder: bool) -> None:
    version = model / VERSION
    version.mkdir(parents=True)
    (model / CONFIG_FILE).write_text(config, encoding="utf-8")
    for path in _code():
        (version / path).parent.mkdir(exist_ok=True)
        shutil.copyfile(MODEL_FOLDER / VERSION / path, version / path)
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
    """The files of the model's code, relative to its version's folder."""
    version = MODEL_FOLDER / VERSION
    return sorted(path.relative_to(version) for path in version.rglob("*.py"))
