"""A pretrained encoder with its tokenizer, and the frozen features of queries that it gives.

To read an encoder takes seconds, most of them for the modules of torch and Transformers. It is read, and they are, when
a query comes whose features are not kept yet, or when it is to be trained.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from routerdc.encoder_source import CONFIG_FILE, pin_encoder
from routerdc.tokenization import load_tokenizer
from routerdc.training.preparation.features import CACHE_FOLDER, FeatureCache, Floats, cache_file
from routerdc.training.preparation.recipe_parts import EncoderRecipe
from routerdc_contract.bundle import EncoderSpec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Encoder:
    """A pretrained encoder with its tokenizer, and its frozen features of queries."""

    spec: EncoderSpec
    read: "Callable[[], torch.nn.Module]"
    """the model, always the same one"""
    width: int
    tokenizer: Tokenizer
    features: FeatureCache

    @property
    def model(self) -> "torch.nn.Module":
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
    tokenizer = load_tokenizer(folder)

    @once
    def read() -> "torch.nn.Module":
        from routerdc.model import load_encoder

        return load_encoder(folder, recipe.layers)

    def encoded(queries: Sequence[str]) -> Floats:
        from routerdc.training.preparation.encoding import encode

        return encode(read(), tokenizer, queries, recipe, device)

    features = FeatureCache(encoded, cache and cache_file(cache, recipe, sha256))
    return Encoder(spec, read, _width(folder, read), tokenizer, features)


def _width(folder: Path, read: Callable[[], Any]) -> int:
    """Of the features; a few architectures have another name for it, which Transformers knows."""
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    return int(config["hidden_size"] if "hidden_size" in config else read().config.hidden_size)
