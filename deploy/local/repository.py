"""Which model repository `routerdc serve` starts with: what was published to it last, or a fresh export of a bundle.

`routerdc export` writes version 1 of a model, and `routerdc publish` adds later ones. A repository with a later version
holds what is in use, be it a new bundle, a changed pool or a rollback, so that a new export would undo that.
"""

import json
from pathlib import Path
from typing import Any

from routerdc_contract.tensors import ROUTER_MODEL

REPOSITORY = "model_repository"
_EXPORTED = 1
_ROUTER_FILE = "router.json"


def published_bundle(folder: Path) -> str | None:
    """Id of the bundle that was published last to the repository under `folder`; None if none was."""
    version = _newest(folder)
    if version is None or version.name == str(_EXPORTED):
        return None
    return str(_router(version)["bundle_id"])


def repository_llms(folder: Path) -> frozenset[str] | None:
    """Names of the LLMs that the repository under `folder` scores; None where there is no whole one."""
    version = _newest(folder)
    try:
        return None if version is None else frozenset(_router(version)["llms"])
    except (OSError, ValueError, KeyError):
        return None


def _newest(folder: Path) -> Path | None:
    versions = [path for path in (folder / REPOSITORY / ROUTER_MODEL).glob("*") if path.name.isdecimal()]
    return max(versions, key=lambda path: int(path.name), default=None)


def _router(version: Path) -> dict[str, Any]:
    router: dict[str, Any] = json.loads((version / _ROUTER_FILE).read_text(encoding="utf-8"))
    return router
