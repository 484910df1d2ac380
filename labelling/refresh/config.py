"""refresh.yaml: what one round reads, how it grades, and where an accepted bundle goes.

prompts: [decisions.jsonl]        # decision logs with texts, or any prompt files
endpoints: endpoints.yaml
store: labels.db
grade: [--judge, judge.yaml]      # the options of `routerdc grade`, as one would write them
bundle: bundles/mine              # in use when the first round begins
folder: refresh                   # rounds, receipts and the link to the bundle in use
share: 0.5                        # as in `routerdc collect`
max_usd: 5                        # what this round may cost
redact: hook.py:clean             # optional: as in `routerdc collect`
publish: {repository: build/model_repository, triton_address: 127.0.0.1:8001}   # optional
watch: [./still-well.sh]          # optional: exit status 0 means well; else the old bundle comes back
"""

from pathlib import Path

from pydantic import Field

from labelling.errors import RefreshError
from routerdc_contract.frozen import Frozen
from routerdc_contract.yaml_model import YamlError, load_yaml_model


class Publish(Frozen):
    """Where accepted bundles are put into use: see `routerdc publish`."""

    repository: Path
    triton_address: str = "127.0.0.1:8001"


class RefreshConfig(Frozen):
    """The whole file."""

    prompts: tuple[Path, ...] = Field(min_length=1)
    endpoints: Path
    store: Path = Path("labels.db")
    grade: tuple[str, ...] = Field(min_length=1)
    bundle: Path
    folder: Path = Path("refresh")
    share: float = Field(default=1.0, gt=0, le=1)
    max_usd: float | None = Field(default=None, ge=0, description="dollars this round may cost, verdicts included")
    max_tokens: int = Field(default=1024, ge=1)
    redact: str | None = None
    recipe: str = "default"
    tolerance: float = Field(
        default=0.01, ge=0, le=1, description="quality that a new bundle may be worse by, at worst"
    )
    publish: Publish | None = None
    watch: tuple[str, ...] = ()


def read_config(path: Path) -> RefreshConfig:
    """The configuration in a file.

    Raises:
        RefreshError: it cannot be read; the message names file and field.
    """
    try:
        return load_yaml_model(RefreshConfig, path)
    except YamlError as error:
        raise RefreshError(str(error)) from None
