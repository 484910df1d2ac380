"""Which model repository `routerdc serve` starts with: what was published to it last, or a fresh export of a bundle.

`routerdc export` writes version 1 of a model, and `routerdc publish` adds later ones. A repository with a later version
holds what is in use, be it a new bundle, a changed pool or a rollback, so that a new export would undo that.
"""

import json
from pathlib import Path

from routerdc_contract.tensors import ROUTER_MODEL

REPOSITORY = "model_repository"
_EXPORTED = 1
_ROUTER_FILE = "router.json"


def published_bundle(folder: Path) -> str | None:
    """Id of the bundle that was published last to the repository under `folder`; None if none was."""
    model = folder / REPOSITORY / ROUTER_MODEL
    versions = [int(path.name) for path in model.glob("*") if path.is_dir() and path.name.isdecimal()]
    if max(versions, default=_EXPORTED) == _EXPORTED:
        return None
    router = json.loads((model / str(max(versions)) / _ROUTER_FILE).read_text(encoding="utf-8"))
    return str(router["bundle_id"])
