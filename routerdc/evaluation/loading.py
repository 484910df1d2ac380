"""A bundle as the subject of an evaluation.

Pooled features are kept on disk, query by query. Bundles on the same frozen encoder share them, so that seeds, heads
and recipes are evaluated in seconds after the first.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open

from routerdc.evaluation.evaluate import Subject
from routerdc.evaluation.measures.selection import Floats
from routerdc.loaded_bundle import Router
from routerdc.training.preparation.features import CACHE_FOLDER, FeatureCache, cache_file, encode
from routerdc.training.preparation.recipe_parts import EncoderRecipe
from routerdc_contract.bundle import WEIGHTS_FILE


def subject(bundle: Path, device: str = "cpu") -> Subject:
    """The router in the folder `bundle`.

    Raises:
        routerdc_contract.bundle.BundleError: it cannot be used; the message says why.
    """
    router = Router.load(bundle, device)
    features = _features(router, _encoder_is_trained(bundle))

    def score(queries: Sequence[str]) -> Floats:
        with torch.inference_mode():
            pooled = torch.from_numpy(features(queries)).to(router.device)
            return router.model.score(router.model.project(pooled)).cpu().numpy()

    return Subject(router.manifest.name, router.manifest.bundle_id, router.manifest.llms, score)


def _encoder_is_trained(bundle: Path) -> bool:
    """Whether the bundle brings encoder tensors of its own (`routerdc_contract.bundle`)."""
    with safe_open(bundle / WEIGHTS_FILE, framework="pt") as file:
        return any(key.startswith("encoder.") for key in file.keys())  # noqa: SIM118


def _features(router: Router, trained: bool) -> FeatureCache:
    manifest = router.manifest
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
    return FeatureCache(
        lambda queries: encode(router.model.encoder, router.tokenizer, queries, recipe, router.device),
        cache_file(CACHE_FOLDER, recipe, whose),
    )
