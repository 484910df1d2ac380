"""A pretrained encoder with its tokenizer, and the frozen features of queries that it gives.

To read an encoder takes seconds, most of them for Transformers' own modules. It is read when a query comes whose
features are not kept yet, or when it is to be trained.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from routerdc.encoder_source import CONFIG_FILE, pin_encoder
from routerdc.model import load_encoder
from routerdc.tokenization import load_tokenizer
from routerdc.training.preparation.features import CACHE_FOLDER, FeatureCache, cache_file, encode
from routerdc.training.preparation.recipe_parts import EncoderRecipe
from routerdc_contract.bundle import EncoderSpec


@dataclass(frozen=True)
class Encoder:
    """A pretrained encoder with its tokenizer, and its frozen features of queries."""

    spec: EncoderSpec
    read: Callable[[], torch.nn.Module]
    """the model, always the same one"""
    width: int
    tokenizer: Tokenizer
    features: FeatureCache

    @property
    def model(self) -> torch.nn.Module:
        """The pretrained model, which is read now if it has not been."""
        return self.read()


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
    read = once(lambda: load_encoder(folder, recipe.layers))
    tokenizer = load_tokenizer(folder)
    features = FeatureCache(
        lambda queries: encode(read(), tokenizer, queries, recipe, device),
        cache and cache_file(cache, recipe, sha256),
    )
    return Encoder(spec, read, _width(folder, read), tokenizer, features)


def _width(folder: Path, read: Callable[[], Any]) -> int:
    """Of the features; a few architectures have another name for it, which Transformers knows."""
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    return int(config["hidden_size"] if "hidden_size" in config else read().config.hidden_size)
