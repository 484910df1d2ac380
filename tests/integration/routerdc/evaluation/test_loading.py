"""A bundle as the subject of an evaluation."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from routerdc.bundle_io import save_bundle
from routerdc.encoder_source import pin_encoder
from routerdc.evaluation import loading
from routerdc.loaded_bundle import Router
from routerdc.model import RouterConfig, RouterModel, load_encoder
from routerdc_contract.bundle import BundleError, EncoderSpec, LlmSpec
from tests.support.data.tiny import tiny_tokenizer

QUERIES = ["add sum w1", "code", "print " * 30, "add sum w1"]


def saved(folder: Path, encoder_folder: Path, seed: int, tuned: bool = False) -> Path:
    source = f"path:{encoder_folder}"
    _, sha256 = pin_encoder("tiny", (source,))
    torch.manual_seed(seed)
    encoder = load_encoder(encoder_folder)
    if tuned:
        with torch.no_grad():
            next(encoder.parameters()).mul_(0.5)
    save_bundle(
        folder,
        RouterModel(encoder, RouterConfig(n_llms=2, features=16, dim=8, projection="linear", pooling="mean")),
        tiny_tokenizer(),
        name="tiny",
        encoder=EncoderSpec(name="tiny", sources=(source,), weights_sha256=sha256, pooling="mean"),
        llms=[LlmSpec(name="a"), LlmSpec(name="b")],
        max_tokens=16,
        truncation_side="left",
    )
    return folder


@pytest.mark.parametrize("tuned", [False, True])
def test_scores_are_those_of_the_router(
    tmp_path: Path, encoder_folder: Path, monkeypatch: pytest.MonkeyPatch, tuned: bool
) -> None:
    monkeypatch.setattr(loading, "CACHE_FOLDER", tmp_path / "cache")
    for seed in (0, 1):
        bundle = saved(tmp_path / str(seed), encoder_folder, seed, tuned)
        expected = Router.load(bundle).score(QUERIES)
        for _ in range(2):  # computed, then from the cache
            np.testing.assert_allclose(loading.subject(bundle).score(QUERIES), expected, atol=1e-5)


def test_the_encoder_is_loaded_only_for_queries_whose_features_are_not_kept(
    tmp_path: Path, encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "CACHE_FOLDER", tmp_path / "cache")
    encoder = shutil.copytree(encoder_folder, tmp_path / "encoder")
    bundle = saved(tmp_path / "bundle", encoder, 0)
    scores = loading.subject(bundle).score(QUERIES)
    shutil.rmtree(encoder)
    again = loading.subject(bundle)
    np.testing.assert_array_equal(again.score(QUERIES), scores)
    with pytest.raises(BundleError, match="not found"):
        again.score(["a new one"])


def test_bundles_share_features_of_a_frozen_encoder_and_only_of_a_frozen_one(
    tmp_path: Path, encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setattr(loading, "CACHE_FOLDER", cache)
    for seed, tuned, files in ((0, False, 1), (1, False, 1), (0, True, 2), (1, True, 3)):
        bundle = saved(tmp_path / f"{seed}{tuned}", encoder_folder, seed, tuned)
        loading.subject(bundle).score(QUERIES)
        assert len(list(cache.iterdir())) == files
