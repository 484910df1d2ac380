"""Writes a trained router as a bundle and reads it back (`routerdc_contract.bundle` says what the files are).

`router.safetensors` holds the head, the projection and those encoder tensors that training changed; the others come
from the pinned encoder. The shape of the model (`RouterConfig`) travels in the header of that file. This module does
not know data, losses or training.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from tokenizers import Tokenizer
from torch import Tensor, nn

from routerdc.encoder_source import resolve_encoder
from routerdc.model import RouterConfig, RouterModel, load_encoder
from routerdc.whole_files import files_of
from routerdc_contract.bundle import (
    MANIFEST_FILE,
    NEIGHBOURS_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    BundleError,
    EncoderSpec,
    LlmSpec,
    Manifest,
    TokenizerSpec,
    file_sha256,
)

_ENCODER_PREFIX = "encoder."
_CONFIG_KEY = "router_config"


def save_bundle(
    folder: Path,
    model: RouterModel,
    tokenizer: Tokenizer,
    *,
    name: str,
    encoder: EncoderSpec,
    llms: Sequence[LlmSpec],
    max_tokens: int,
    truncation_side: str,
    training: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Manifest:
    """Writes weights, tokenizer and manifest into `folder` (made if need be) and returns the manifest.

    Where that fails, an older bundle there is as it was; else its neighbours are deleted: the new one has none until
    `add_neighbours`.

    Raises:
        BundleError: a field is wrong, or `llms` does not match the model's columns.
    """
    if len(llms) != model.config.n_llms:
        raise BundleError(f"llms: {len(llms)} names for a model with {model.config.n_llms} columns")
    with files_of(folder, last=MANIFEST_FILE) as draft:
        _write_weights(draft / WEIGHTS_FILE, model, encoder)
        _write_tokenizer(draft / TOKENIZER_FILE, tokenizer)
        manifest = Manifest.build(
            name=name,
            encoder=encoder,
            tokenizer=TokenizerSpec.model_validate(
                {
                    "sha256": file_sha256(draft / TOKENIZER_FILE),
                    "max_tokens": max_tokens,
                    "truncation_side": truncation_side,
                }
            ),
            weights_sha256=file_sha256(draft / WEIGHTS_FILE),
            dim=model.config.dim,
            scale=model.config.scale,
            llms=tuple(llms),
            training=dict(training or {}),
            metrics=dict(metrics or {}),
        )
        manifest.write(draft)
    (folder / NEIGHBOURS_FILE).unlink(missing_ok=True)
    return manifest


def add_neighbours(folder: Path, content: bytes) -> Manifest:
    """Writes `neighbours.npz` into the bundle in `folder` and names it in the manifest, which is returned.

    Raises:
        BundleError: there is no whole bundle.
    """
    fields = Manifest.read(folder).model_dump(exclude={"bundle_id"})
    manifest = Manifest.build(**{**fields, "neighbours_sha256": hashlib.sha256(content).hexdigest()})
    with files_of(folder, last=MANIFEST_FILE) as draft:
        (draft / NEIGHBOURS_FILE).write_bytes(content)
        manifest.write(draft)
    return manifest


def load_bundle(folder: Path) -> tuple[Manifest, RouterModel, Tokenizer]:
    """The bundle in `folder`: its manifest, its model in eval mode on the CPU, and its tokenizer (no limits set).

    Raises:
        BundleError: a file is missing or not the one the manifest names, or the encoder's weights cannot be found.
    """
    manifest, tensors, config = _read(folder)
    encoder = load_encoder(resolve_encoder(manifest.encoder), manifest.encoder.layers)
    model = _filled(RouterModel(encoder, config), tensors, folder)
    return manifest, model, Tokenizer.from_file(str(folder / TOKENIZER_FILE))


def load_head(folder: Path) -> RouterModel:
    """The model without its encoder, which takes seconds to load: it scores embeddings, and can compute none.

    Raises:
        BundleError: a file is missing or not the one the manifest names.
    """
    _, tensors, config = _read(folder)
    head = {key: tensor for key, tensor in tensors.items() if not key.startswith(_ENCODER_PREFIX)}
    return _filled(RouterModel(nn.Identity(), config), head, folder)


def _read(folder: Path) -> tuple[Manifest, dict[str, Tensor], RouterConfig]:
    manifest = Manifest.read(folder)
    tensors, config = _read_weights(folder / WEIGHTS_FILE)
    if config.n_llms != len(manifest.llms) or config.dim != manifest.dim or config.scale != manifest.scale:
        raise BundleError(f"{folder / WEIGHTS_FILE}: n_llms, dim or scale differ from the manifest's")
    return manifest, tensors, config


def _filled(model: RouterModel, tensors: dict[str, Tensor], folder: Path) -> RouterModel:
    """`model` with `tensors`, in eval mode; only the pinned encoder's own may be missing among them."""
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    if lost := [key for key in missing if not key.startswith(_ENCODER_PREFIX)] + list(unexpected):
        raise BundleError(f"{folder / WEIGHTS_FILE}: tensors do not fit the model: {', '.join(sorted(lost))}")
    return model.eval()


def _write_weights(path: Path, model: RouterModel, encoder: EncoderSpec) -> None:
    same = {_ENCODER_PREFIX + key for key in _unchanged(model.encoder, encoder)}
    tensors = {
        key: value.detach().cpu().contiguous().clone() for key, value in model.state_dict().items() if key not in same
    }
    path.write_bytes(save(tensors, metadata={_CONFIG_KEY: json.dumps(dataclasses.asdict(model.config))}))


def _unchanged(encoder: nn.Module, pinned: EncoderSpec) -> list[str]:
    """Names of the tensors that are the pinned encoder's; none where the model was trained without it."""
    if not (tensors := encoder.state_dict()):
        return []
    reference = load_encoder(resolve_encoder(pinned), pinned.layers).state_dict()
    return [key for key, value in tensors.items() if torch.equal(value.cpu(), reference[key])]


def _read_weights(path: Path) -> tuple[dict[str, Tensor], RouterConfig]:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if _CONFIG_KEY not in metadata:
            raise BundleError(f"{path}: its header has no {_CONFIG_KEY}")
        return {key: file.get_tensor(key) for key in file.keys()}, RouterConfig(**json.loads(metadata[_CONFIG_KEY]))  # noqa: SIM118


def _write_tokenizer(path: Path, tokenizer: Tokenizer) -> None:
    plain = Tokenizer.from_str(tokenizer.to_str())  # a copy: the caller's limits stay as they are
    plain.no_truncation()
    plain.no_padding()
    path.write_text(plain.to_str(pretty=True), encoding="utf-8")  # its own `save` raises no OSError
