"""A pretrained encoder with its tokenizer, and the frozen features of queries that it gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from routerdc.encoder_source import pin_encoder
from routerdc.model import load_encoder
from routerdc.tokenization import load_tokenizer
from routerdc.training.preparation.features import CACHE_FOLDER, FeatureCache, cache_file, encode
from routerdc.training.preparation.recipe_parts import EncoderRecipe
from routerdc_contract.bundle import EncoderSpec


@dataclass(frozen=True)
class Encoder:
    """A pretrained encoder with its tokenizer, and its frozen features of queries."""

    spec: EncoderSpec
    model: torch.nn.Module
    width: int
    tokenizer: Tokenizer
    features: FeatureCache


def frozen_features(recipe: EncoderRecipe, cache: Path = CACHE_FOLDER) -> FeatureCache:
    """Features of the encoder that `recipe` names, which is opened only for queries that are not kept yet: in seconds.

    Raises:
        routerdc_contract.bundle.BundleError: no source has it.
    """
    _, sha256 = pin_encoder(recipe.name, recipe.sources)
    return FeatureCache(
        lambda queries: open_encoder(recipe, cache=None).features(queries), cache_file(cache, recipe, sha256)
    )


def open_encoder(recipe: EncoderRecipe, device: str = "cpu", cache: Path | None = CACHE_FOLDER) -> Encoder:
    """The encoder that `recipe` names.

    Raises:
        routerdc_contract.bundle.BundleError: no source has it.
    """
    folder, sha256 = pin_encoder(recipe.name, recipe.sources)
    spec = EncoderSpec(
        name=recipe.name,
        sources=recipe.sources,
        weights_sha256=sha256,
        layers=recipe.layers,
        pooling=recipe.pooling,
    )
    model: Any = load_encoder(folder, recipe.layers)
    tokenizer = load_tokenizer(folder)
    features = FeatureCache(
        lambda queries: encode(model, tokenizer, queries, recipe, device),
        cache and cache_file(cache, recipe, sha256),
    )
    return Encoder(spec, model, model.config.hidden_size, tokenizer, features)
