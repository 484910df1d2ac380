"""What lies beside every artefact: how it was made, of what, and how well it agrees with torch.

Also tells whether the artefact is still current, so that a second export does nothing.
"""

import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from export.parity.compare import Parity
from export.parity.scored_queries import RealParity
from export.parity.token_ids import TokenParity
from routerdc_contract.bundle import file_sha256

RECORD_FILE = "export.json"
INPUTS_OF_THE_HEAD = ("bundle", "graph/reference.safetensors")
PACKAGES = (
    *("routerdc-triton", "torch", "transformers", "onnx", "onnxscript", "onnxruntime", "openvino"),
    *("tokenizers", "numpy"),
)


class Record(BaseModel):
    """`export.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    step: str
    bundle_id: str
    command: str
    created: datetime
    versions: dict[str, str]
    inputs: dict[str, str]
    """SHA-256, or the value of an option, by name"""
    encoder: str = ""
    """`export.artefacts.files.encoder_sha256` of the bundle"""
    outputs: dict[str, str]
    """SHA-256 by file name in this folder"""
    parity: Parity | None
    """on the sample queries; None: what was made cannot run on the machine that made it"""
    real_queries: RealParity | None = None
    """the same on scored queries that the user has"""
    token_ids: TokenParity | None = None
    """of the served tokenizer on samples, generated texts and the user's queries"""

    @classmethod
    def write(
        cls,
        folder: Path,
        step: str,
        bundle_id: str,
        inputs: dict[str, str],
        encoder: str,
        parity: Parity | None,
        real_queries: RealParity | None = None,
        token_ids: TokenParity | None = None,
    ) -> Self:
        """Writes the record of the artefacts that `folder` now holds."""
        record = cls(
            step=step,
            bundle_id=bundle_id,
            command=_command(),
            created=datetime.now(UTC).replace(microsecond=0),
            versions=_versions(),
            inputs=inputs,
            encoder=encoder,
            outputs=_hashes(folder),
            parity=parity,
            real_queries=real_queries,
            token_ids=token_ids,
        )
        (folder / RECORD_FILE).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return record

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The record in `folder`.

        Raises:
            FileNotFoundError: nothing was exported there.
            pydantic.ValidationError: another version of this program wrote it.
        """
        return cls.model_validate_json((folder / RECORD_FILE).read_text(encoding="utf-8"))

    @classmethod
    def current(cls, folder: Path, inputs: dict[str, str]) -> Self | None:
        """The record in `folder` if its artefacts stand unchanged and were made of exactly these inputs."""
        try:
            record = cls.read(folder)
        except (FileNotFoundError, ValidationError):
            return None
        return record if record.inputs == inputs and record.outputs == _hashes(folder) else None

    @classmethod
    def of_same_encoder(cls, folder: Path, inputs: dict[str, str], encoder: str) -> bool:
        """Whether the artefacts in `folder` stand unchanged and differ from those of these inputs in the head alone."""
        try:
            record = cls.read(folder)
        except (FileNotFoundError, ValidationError):
            return False
        return record.encoder == encoder and cls.current(folder, inputs | _of_the_head(record.inputs)) is not None


def _of_the_head(inputs: dict[str, str]) -> dict[str, str]:
    """The inputs that change with the head, whatever the encoder."""
    return {name: value for name, value in inputs.items() if name in INPUTS_OF_THE_HEAD}


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): file_sha256(path) for path in files if path.name != RECORD_FILE}


def _command() -> str:
    """As it was typed, but only the end of absolute paths: a record travels to other machines."""
    arguments = [f"…/{Path(argument).name}" if argument.startswith("/") else argument for argument in sys.argv[1:]]
    return " ".join([Path(sys.argv[0]).name, *arguments])


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"python": sys.version.split()[0], **found}
