"""Embeddings of the pretrained encoder under a router, untouched by training: what the baselines learn from.

Always the whole encoder, mean pooling, unit length and 256 tokens, whatever layers and limits the router uses: the
baselines must not depend on the router that they are compared with. Long prompts are cut on the left, as published:
behind a few worked examples, the question stands at the end. The page of all pools asks for the router's own limits.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from routerdc.encoder_source import resolve_encoder
from routerdc.evaluation.measures.references import Embed
from routerdc.evaluation.measures.selection import Floats
from routerdc.model import load_encoder
from routerdc.tokenization import Side, load_tokenizer
from routerdc.training.preparation.encoding import encode
from routerdc.training.preparation.features import CACHE_FOLDER, FeatureCache, cache_file
from routerdc.training.preparation.recipe_parts import EncoderRecipe
from routerdc_contract.bundle import EncoderSpec

MAX_TOKENS = 256


def frozen_encoder(
    spec: EncoderSpec, device: str = "cpu", *, max_tokens: int = MAX_TOKENS, side: Side = "left"
) -> Embed:
    """Embeddings, (n, width) float32, kept on disk; the weights are loaded at the first query that is not there."""
    recipe = EncoderRecipe(
        name=spec.name,
        sources=spec.sources,
        pooling="mean",
        max_tokens=max_tokens,
        truncation_side=side,
        trained=False,
    )

    @cache
    def loaded() -> Embed:
        folder = resolve_encoder(spec)
        encoder, tokenizer = load_encoder(folder), load_tokenizer(folder)
        return lambda queries: encode(encoder, tokenizer, queries, recipe, device)

    features = FeatureCache(lambda queries: loaded()(queries), cache_file(CACHE_FOLDER, recipe, spec.weights_sha256))

    def embed(queries: Sequence[str]) -> Floats:
        pooled = features(queries)
        return np.asarray(pooled / np.linalg.norm(pooled, axis=1, keepdims=True))

    return embed
