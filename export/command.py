"""`routerdc export [STEP]`: what may be called, and how results are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from cli.answer import Answer, answers
from cli.progress import working
from cli.table import Column, Table
from export.domain.errors import ExportError
from export.domain.targets import PRECISIONS, TARGETS, Precision, Target, precision_for
from export.parity.compare import Parity
from export.steps import runner
from export.steps.engine import EngineStep
from export.steps.graph import GraphStep
from export.steps.openvino import OpenvinoStep
from export.steps.plan import PlanStep
from export.steps.repository import RepositoryStep
from export.steps.step import Step
from export.tensorrt.builder import Flavour
from routerdc_contract.bundle import ENGINE_FOLDER, BundleError
from routerdc_contract.output_path import OutputPath

STEPS = ("graph", "engine", "plan", "openvino", "repository")
COLUMNS = (
    Column("step"),
    Column("result"),
    Column("queries", "d"),
    Column("same choice", "s"),
    Column("score error", ".1e"),
    Column("embedding error", ".1e"),
)


@dataclass(frozen=True)
class Done:
    """What became of one step."""

    step: str
    result: Literal["made", "current"]
    artefact: Path
    parity: Parity | None


@click.command()
@click.argument("step", type=click.Choice(["all", *STEPS]), default="all")
@click.option(
    "--bundle",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("bundles/default"),
    show_default=True,
    help="Folder of the trained router.",
)
@click.option(
    "--out",
    type=OutputPath(file_okay=False),
    default=Path("build"),
    show_default=True,
    help="Gets the folders engine/ and model_repository/, and that of a TensorRT target or of openvino.",
)
@click.option(
    "--target",
    type=click.Choice(TARGETS),
    default="onnxruntime",
    show_default=True,
    help="What will run the encoder.",
)
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    show_default="int8 for onnxruntime and openvino, fp16 for TensorRT, fp32 for onnxruntime-cuda",
    help="Of the encoder's weights and matrix products.",
)
@click.option(
    "--timing-caches",
    type=click.Path(file_okay=False, path_type=Path),
    show_default="as --out",
    help="Keeps TensorRT's timing caches, one for each version and GPU; machines may share it.",
)
@click.option(
    "--queries",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Scored queries (file or folder) on which a new engine is held against torch, too: choices and their worth.",
)
@answers
def export(
    step: str,
    bundle: Path,
    out: Path,
    target: Target,
    precision: Precision | None,
    timing_caches: Path | None,
    queries: tuple[Path, ...],
    answer: Answer,
) -> None:
    """Turn a bundle into a model repository for Triton, and prove after every step that it agrees with torch.

    STEP is graph (needs torch), engine, plan (TensorRT), openvino or repository. Without it, every
    step runs whose result is not current. A bundle that is built like a shipped one takes over that one's graph;
    `export graph` traces it.
    """
    try:
        graph = GraphStep.of(bundle, traced=step == GraphStep.name)
        steps = _steps(graph, out, target, precision_for(target, precision), timing_caches or out, queries)
        if step not in ("all", *(part.name for part in steps)):
            raise ExportError(f"{step}: not a step of --target {target}")
        chosen = [part for part in steps if step in ("all", part.name)]
        done = [_done(part, forced=step == part.name) for part in chosen]
    except (BundleError, ExportError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:  # a full disk, a folder that is somebody else's: what stood before stands still
        raise click.ClickException(f"{error.filename2 or error.filename or out}: {error.strerror}") from None
    answer.show("steps", Table(COLUMNS, [(one.step, one.result, *_figures(one.parity)) for one in done]), done)
    for one in done:
        answer.say(f"{one.step}: {one.artefact}")


def _steps(
    graph: GraphStep, out: Path, target: Target, precision: Precision, timing_caches: Path, queries: Sequence[Path]
) -> list[Step]:
    bundle = graph.bundle
    engine = bundle / ENGINE_FOLDER if precision == "int8" else out / "engine"
    steps: list[Step] = [graph, EngineStep(bundle, engine, precision, queries)]
    repository = out / "model_repository"
    match target:
        case "tensorrt" | "tensorrt-rtx":
            flavour: Flavour = "tensorrt" if target == "tensorrt" else "tensorrt-rtx"
            plan = PlanStep(bundle, out / target, engine, flavour, timing_caches)
            return [*steps, plan, RepositoryStep(bundle, repository, engine, flavour, plan.folder, queries)]
        case "openvino":
            model = OpenvinoStep(bundle, out / target, engine, queries)
            return [*steps, model, RepositoryStep(bundle, repository, model.folder, "openvino", queries=queries)]
        case "onnxruntime" | "onnxruntime-cuda":
            return [*steps, RepositoryStep(bundle, repository, engine, target, queries=queries)]


def _done(step: Step, *, forced: bool) -> Done:
    with working(f"{step.name} → {step.folder}"):
        record, made = (runner.make(step), True) if forced else runner.run(step)
    return Done(step.name, "made" if made else "current", step.folder / step.record_folder, record.parity)


def _figures(parity: Parity | None) -> tuple[str | float | None, ...]:
    if parity is None:
        return "not run", None, None, None
    tied = f" + {parity.ties:.2%} tied" if parity.ties else ""
    return parity.queries, f"{parity.agreement:.2%}{tied}", parity.max_score_error, parity.max_embedding_error
