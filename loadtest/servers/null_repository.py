"""A copy of a model repository whose engine answers at once: a real Triton, the model's real code, no encoder."""

import shutil
from pathlib import Path

from loadtest.stubs import null_engine
from routerdc_contract.tensors import ROUTER_MODEL

_VERSION = "1"


def null_repository(repository: Path, folder: Path) -> Path:
    """Copies `repository` (engine onnxruntime) to `folder` with the null engine in it; returns the copy."""
    copy = folder / "null_repository"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(repository, copy)
    version = copy / ROUTER_MODEL / _VERSION
    shutil.copyfile(null_engine.__file__, version / "engines/onnxruntime_engine.py")
    null_engine.accept_any_score(version / "reference.json")
    return copy
