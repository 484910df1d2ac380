"""Embeddings for the baselines, by the real MiniLM."""

from pathlib import Path

import numpy as np
import pytest

from routerdc.encoder_source import MINILM_SOURCES, pin_encoder
from routerdc.evaluation import frozen_encoder as module
from routerdc.evaluation.frozen_encoder import frozen_encoder
from routerdc_contract.bundle import EncoderSpec


@pytest.fixture
def spec() -> EncoderSpec:
    _, sha256 = pin_encoder("MiniLM", MINILM_SOURCES)
    return EncoderSpec(name="MiniLM", sources=MINILM_SOURCES, weights_sha256=sha256, layers=2)


def test_embeddings_are_of_unit_length_kept_and_blind_to_the_start_of_long_prompts(
    spec: EncoderSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CACHE_FOLDER", tmp_path)
    ending = "and so on " * 120 + "how much is one and one?"
    queries = [f"apples {ending}", f"pears {ending}", "how much is one and one?"]
    vectors = frozen_encoder(spec)(queries)
    assert vectors.shape == (3, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    assert vectors[0] @ vectors[2] < 0.99
    monkeypatch.setattr(module, "load_encoder", None)  # a second evaluation opens no weights
    np.testing.assert_array_equal(frozen_encoder(spec)(queries), vectors)
