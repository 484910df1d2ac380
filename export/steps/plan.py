"""Step `plan`: the engine step's typed ONNX graph → <out>/<flavour>/, a TensorRT plan that knows where it belongs.

    model.plan     the serialized engine
    plan.json      which TensorRT and which GPU it is for, its profiles, and the vendor's command line for the same
    export.json    how it was made; its parity is that of the typed graph, which fixes every rounding

A plan runs only with the version, and (flavour `tensorrt`) on the kind of GPU, that built it.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from export.artefacts.files import ENGINE_FILE, ROUTER_FILE
from export.artefacts.record import RECORD_FILE, Record
from export.errors import ExportError
from export.parity.compare import Parity
from export.steps.engine import engine_precision
from export.targets import Precision
from export.tensorrt.builder import Flavour, bindings, build_plan, trtexec
from export.tensorrt.profiles import Profile, profiles
from routerdc_contract.bundle import file_sha256

PLAN_FILE = "model.plan"
PLAN_RECORD_FILE = "plan.json"
AHEAD_OF_TIME = "any of compute capability 8.0 and later (built ahead of time)"


class PlanRecord(BaseModel):
    """`plan.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    flavour: Flavour
    version: str
    """of TensorRT"""
    gpu: str
    precision: Precision
    profiles: list[Profile]
    trtexec: str
    warnings: list[str]
    """what TensorRT warned of during the build"""
    onnx_sha256: str
    plan_sha256: str

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The record of the plan in `folder`.

        Raises:
            ExportError: there is no plan, or it is not the one that the record describes.
        """
        try:
            record = cls.model_validate_json((folder / PLAN_RECORD_FILE).read_text(encoding="utf-8"))
            damaged = record.plan_sha256 != file_sha256(folder / PLAN_FILE)
        except (FileNotFoundError, ValidationError) as error:
            raise ExportError(f"{folder}: no plan with its record there: {error}") from None
        if damaged:
            raise ExportError(
                f"{folder / PLAN_FILE}: not the plan that {PLAN_RECORD_FILE} describes: replace it: "
                f"routerdc export plan --target {record.flavour}"
            )
        return record


def plan_inputs(engine: Path, folder: Path, flavour: Flavour) -> dict[str, str]:
    """What the plan in `folder` depends on, this machine's TensorRT and GPU among it.

    Raises:
        ExportError: the engine has not been made, TensorRT or its GPU is missing, or the plan in `folder` belongs to
            another version or GPU.
    """
    refuse_foreign(folder, flavour)
    return _inputs(engine, flavour)


def make_plan(engine: Path, folder: Path, flavour: Flavour, timing_caches: Path | None = None) -> Parity:
    """Builds the plan of the typed graph in `engine` into `folder`, in place of any other.

    `timing_caches` holds a timing cache for each version and GPU; it may be shared by machines with different ones.
    None: the folder that `folder` is in.

    Raises:
        ExportError: the engine has not been made, or TensorRT cannot build it here.
    """
    import onnx

    inputs = _inputs(engine, flavour)
    source = Record.read(engine)
    timing_cache = (timing_caches or folder.parent) / _timing_cache_file(flavour)
    shapes = _profiles(engine)
    plan = build_plan(flavour, onnx.load(engine / ENGINE_FILE), shapes, timing_cache)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / PLAN_FILE).write_bytes(plan.engine)
    record = PlanRecord(
        flavour=flavour,
        version=bindings(flavour).__version__,
        gpu=gpu_of(flavour),
        precision=engine_precision(engine),
        profiles=shapes,
        trtexec=trtexec(flavour, ENGINE_FILE, PLAN_FILE, shapes),
        warnings=list(plan.warnings),
        onnx_sha256=file_sha256(engine / ENGINE_FILE),
        plan_sha256=file_sha256(folder / PLAN_FILE),
    )
    (folder / PLAN_RECORD_FILE).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    parity = Parity(**source.parity)
    Record.write(folder, "plan", source.bundle_id, inputs, parity)
    return parity


def refuse_foreign(folder: Path, flavour: Flavour) -> None:
    """Refuses a plan in `folder` that cannot run with this machine's TensorRT and GPU. No plan at all is fine.

    Raises:
        ExportError: it belongs elsewhere; the message says where and what to do.
    """
    if not (folder / PLAN_RECORD_FILE).is_file():
        return
    record = PlanRecord.read(folder)
    built = f"{record.flavour} {record.version} for {record.gpu}"
    here = f"{flavour} {bindings(flavour).__version__} for {gpu_of(flavour)}"
    if built != here:
        raise ExportError(
            f"{folder / PLAN_FILE}: built with {built}; here is {here}, which cannot run it: keep it and give another "
            f"--out, or replace it: routerdc export plan --target {flavour}"
        )


def gpu_of(flavour: Flavour) -> str:
    """The GPU for which `flavour` builds on this machine: name and compute capability.

    Raises:
        ExportError: flavour `tensorrt` has no GPU here.
    """
    if flavour == "tensorrt-rtx":
        return AHEAD_OF_TIME
    query = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader"]
    try:
        listing = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ExportError(f"--target tensorrt: builds on the GPU that will run the plan, none found: {error}") from None
    return listing.splitlines()[0].strip()


def _timing_cache_file(flavour: Flavour) -> str:
    words = f"{flavour} {bindings(flavour).__version__} {gpu_of(flavour)}"
    return re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-") + ".timing-cache"


def _inputs(engine: Path, flavour: Flavour) -> dict[str, str]:
    engine_precision(engine)  # refuses a folder without an engine
    return {
        "engine": file_sha256(engine / RECORD_FILE),
        "tensorrt": bindings(flavour).__version__,
        "gpu": gpu_of(flavour),
        "profiles": json.dumps(_profiles(engine)),
    }


def _profiles(engine: Path) -> list[Profile]:
    return profiles(json.loads((engine / ROUTER_FILE).read_text(encoding="utf-8"))["max_tokens"])
