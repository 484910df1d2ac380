"""A bundle as the subject of an evaluation.

Pooled features are kept on disk, query by query. Bundles on the same frozen encoder share them, so that seeds, heads
and recipes are evaluated in seconds after the first; the encoder is loaded at the first query that is not there.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from safetensors import safe_open

from routerdc.bundle_io import load_head
from routerdc.evaluation.evaluate import Subject
from routerdc.evaluation.measures.selection import Floats
from routerdc.loaded_bundle import Router
from routerdc.training.preparation.encoding import encode
from routerdc.training.preparation.features import CACHE_FOLDER, FeatureCache, cache_file
from routerdc.training.preparation.recipe_parts import EncoderRecipe
from routerdc_contract.bundle import WEIGHTS_FILE, Manifest


def subject(bundle: Path, device: str = "cpu") -> Subject:
    """The router in the folder `bundle`.

    Raises:
        routerdc_contract.bundle.BundleError: it cannot be used; the message says why. Scoring raises it where the
            encoder cannot be found.
    """
    manifest, head = Manifest.read(bundle), load_head(bundle).to(device)
    features = _features(bundle, manifest, device)

    def score(queries: Sequence[str]) -> Floats:
        with torch.inference_mode():
            pooled = torch.from_numpy(features(queries)).to(device)
            return head.score(head.project(pooled)).cpu().numpy()

    return Subject(manifest.name, manifest.bundle_id, manifest.llms, score)


def _encoder_is_trained(bundle: Path) -> bool:
    """Whether the bundle brings encoder tensors of its own (`routerdc_contract.bundle`)."""
    with safe_open(bundle / WEIGHTS_FILE, framework="pt") as file:
        return any(key.startswith("encoder.") for key in file.keys())  # noqa: SIM118


def _features(bundle: Path, manifest: Manifest, device: str) -> FeatureCache:
    trained = _encoder_is_trained(bundle)
    recipe = EncoderRecipe(
        name=manifest.encoder.name,
        sources=manifest.encoder.sources,
        layers=manifest.encoder.layers,
        pooling=manifest.encoder.pooling,
        max_tokens=manifest.tokenizer.max_tokens,
        truncation_side=manifest.tokenizer.truncation_side,
        trained=trained,
    )
    whose = manifest.weights_sha256 if trained else manifest.encoder.weights_sha256

    @cache
    def loaded() -> Router:
        return Router.load(bundle, device)

    return FeatureCache(
        lambda queries: encode(loaded().model.encoder, loaded().tokenizer, queries, recipe, device),
        cache_file(CACHE_FOLDER, recipe, whose),
    )
