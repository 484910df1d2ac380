"""`routerdc export [STEP]`: what may be called, and how results are shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from export.artefacts.files import graph_inputs
from export.artefacts.record import Record
from export.errors import ExportError
from export.parity.compare import Parity
from export.steps.engine import engine_inputs, make_engine
from export.steps.openvino import make_openvino_model, openvino_inputs
from export.steps.plan import make_plan, plan_inputs
from export.steps.repository import make_repository, repository_inputs
from export.targets import PRECISIONS, TARGETS, Precision, Target, precision_for
from export.tensorrt.builder import Flavour
from export.triton.target_settings import ServedTarget
from routerdc_contract.bundle import ENGINE_FOLDER, GRAPH_FOLDER, BundleError, Manifest
from routerdc_contract.tensors import ROUTER_MODEL

STEPS = ("graph", "engine", "plan", "openvino", "repository")


@dataclass(frozen=True)
class Step:
    """One step: where its artefacts and record lie, what they depend on, how they are made."""

    name: str
    folder: Path
    inputs: Callable[[], dict[str, str]]
    make: Callable[[], Parity]

    def result(self, *, forced: bool) -> tuple[Record, bool]:
        """The record of the step's artefacts, and whether they were made just now (always, if `forced`)."""
        if not forced and (record := Record.current(self.folder, self.inputs())):
            return record, False
        with Console(stderr=True).status(f"{self.name} → {self.folder}"):
            self.make()
        record = Record.current(self.folder, self.inputs())
        assert record is not None  # noqa: S101 - `make` has just written it
        return record, True


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
    type=click.Path(file_okay=False, path_type=Path),
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
    show_default="int8 for onnxruntime and openvino, else fp32",
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
def export(
    step: str,
    bundle: Path,
    out: Path,
    target: Target,
    precision: Precision | None,
    timing_caches: Path | None,
    queries: tuple[Path, ...],
) -> None:
    """Turns a bundle into a model repository for Triton, and proves after every step that it agrees with torch.

    STEP is graph (needs torch), engine, plan (TensorRT), openvino or repository. Without it, every
    step runs whose result is not current.
    """
    table = Table("step", "", "queries", "same choice", "score error", "embedding error", "artefact")
    try:
        steps = _steps(bundle, out, target, precision_for(target, precision), timing_caches or out, queries)
        if step not in ("all", *(part.name for part in steps)):
            raise ExportError(f"{step}: not a step of --target {target}")
        for part in steps:
            if step in ("all", part.name):
                _add(table, part, *part.result(forced=step == part.name))
    except (BundleError, ExportError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:  # a full disk, a folder that is somebody else's: what stood before stands still
        raise click.ClickException(f"{error.filename2 or error.filename or out}: {error.strerror}") from None
    Console().print(table)


def _steps(
    bundle: Path, out: Path, target: Target, precision: Precision, timing_caches: Path, queries: Sequence[Path]
) -> list[Step]:
    manifest = Manifest.read(bundle)
    engine = bundle / ENGINE_FOLDER if precision == "int8" else out / "engine"
    steps = [
        Step("graph", bundle / GRAPH_FOLDER, partial(graph_inputs, manifest), partial(_make_graph, bundle)),
        Step(
            "engine",
            engine,
            partial(engine_inputs, bundle, manifest, precision),
            partial(make_engine, bundle, engine, precision, queries),
        ),
    ]
    repository = partial(_repository_step, bundle, engine, out / "model_repository")
    match target:
        case "tensorrt" | "tensorrt-rtx":
            flavour: Flavour = "tensorrt" if target == "tensorrt" else "tensorrt-rtx"
            plan = _plan_step(engine, out / target, flavour, timing_caches)
            return [*steps, plan, repository(flavour, out / target)]
        case "openvino":
            model = out / target
            make = partial(make_openvino_model, bundle, engine, model, queries)
            converted = Step("openvino", model, partial(openvino_inputs, engine), make)
            return [*steps, converted, _repository_step(bundle, model, out / "model_repository", target)]
        case "onnxruntime-cuda":
            return [*steps, repository("onnxruntime-cuda")]
        case _:
            return [*steps, repository("onnxruntime")]


def _make_graph(bundle: Path) -> Parity:
    try:
        from export.steps.graph import make_graph

        return make_graph(bundle)
    except ModuleNotFoundError as error:
        raise ExportError(
            f"{bundle}: its graph has to be traced anew, which needs {error.name}: "
            "pip install -c constraints.txt 'routerdc-triton[export,train]'"
        ) from None


def _plan_step(engine: Path, folder: Path, flavour: Flavour, timing_caches: Path) -> Step:
    return Step(
        "plan",
        folder,
        partial(plan_inputs, engine, folder, flavour),
        partial(make_plan, engine, folder, flavour, timing_caches),
    )


def _repository_step(
    bundle: Path, engine: Path, repository: Path, target: ServedTarget, plan: Path | None = None
) -> Step:
    make = partial(make_repository, bundle, engine, repository, target, plan)
    return Step("repository", repository / ROUTER_MODEL, partial(repository_inputs, engine, target, plan), make)


def _add(table: Table, step: Step, record: Record, made: bool) -> None:
    parity = Parity(**record.parity)
    table.add_row(
        step.name,
        "made" if made else "current",
        str(parity.queries),
        f"{parity.agreement:.2%}",
        f"{parity.max_score_error:.1e}",
        f"{parity.max_embedding_error:.1e}",
        str(step.folder),
    )
