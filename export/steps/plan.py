"""Step `plan`: the engine step's typed ONNX graph → <out>/<flavour>/, a TensorRT plan that knows where it belongs.

    model.plan     the serialized engine
    plan.json      which TensorRT and which GPU it is for, its profiles, and the vendor's command line for the same
    export.json    how it was made; without parity, because the plan is not run here

A plan runs only with the version, and (flavour `tensorrt`) on the kind of GPU, that built it.
"""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from export.artefacts.files import ENGINE_FILE, ROUTER_FILE
from export.domain.errors import ExportError
from export.domain.targets import Precision
from export.steps.engine import encoder_fingerprint, engine_precision
from export.steps.step import Step
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


@dataclass(frozen=True)
class PlanStep(Step):
    """Builds the plan of the typed graph in the folder `engine`, with this machine's TensorRT and GPU."""

    engine: Path
    flavour: Flavour
    timing_caches: Path
    """holds a timing cache for each version and GPU; machines may share it"""
    name = "plan"

    def inputs(self) -> dict[str, str]:
        """The plan depends on the engine's encoder, and on this machine's TensorRT and GPU."""
        return {
            "engine": encoder_fingerprint(self.engine),
            "tensorrt": bindings(self.flavour).__version__,
            "gpu": gpu_of(self.flavour),
            "profiles": json.dumps(_profiles(self.engine)),
        }

    def refuse_to_replace(self) -> None:
        """A plan of another machine is kept: it may be on its way there."""
        refuse_foreign(self.folder, self.flavour)

    def build(self, draft: Path) -> None:
        """Builds the plan. It is not run: that takes the GPU, and the Triton that serves it checks its answers."""
        import onnx

        timing_cache = self.timing_caches / _timing_cache_file(self.flavour)
        shapes = _profiles(self.engine)
        plan = build_plan(self.flavour, onnx.load(self.engine / ENGINE_FILE), shapes, timing_cache)
        (draft / PLAN_FILE).write_bytes(plan.engine)
        record = PlanRecord(
            flavour=self.flavour,
            version=bindings(self.flavour).__version__,
            gpu=gpu_of(self.flavour),
            precision=engine_precision(self.engine),
            profiles=shapes,
            trtexec=trtexec(self.flavour, ENGINE_FILE, PLAN_FILE, shapes),
            warnings=list(plan.warnings),
            onnx_sha256=file_sha256(self.engine / ENGINE_FILE),
            plan_sha256=file_sha256(draft / PLAN_FILE),
        )
        (draft / PLAN_RECORD_FILE).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


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


def _profiles(engine: Path) -> list[Profile]:
    return profiles(json.loads((engine / ROUTER_FILE).read_text(encoding="utf-8"))["max_tokens"])
