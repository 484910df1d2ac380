import errno
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from routerdc.bundle_io import load_bundle, save_bundle
from routerdc.encoder_source import pin_encoder
from routerdc.loaded_bundle import Router
from routerdc.model import RouterConfig, RouterModel, load_encoder
from routerdc_contract.bundle import BundleError, EncoderSpec, LlmSpec, Manifest
from tests.support.data.tiny import tiny_tokenizer


def _save(folder: Path, encoder_folder: Path, fine_tuned: bool = False) -> tuple[Manifest, RouterModel]:
    sources = (f"path:{encoder_folder}",)
    spec = EncoderSpec(name="tiny", sources=sources, weights_sha256=pin_encoder("tiny", sources)[1], layers=1)
    torch.manual_seed(0)
    config = RouterConfig(n_llms=3, features=16, dim=8, projection="mlp", hidden=4, scale=2.0)
    model = RouterModel(load_encoder(encoder_folder, 1), config).eval()
    if fine_tuned:
        model.encoder.get_parameter("encoder.layer.0.output.dense.bias").data += 1
    tokenizer = tiny_tokenizer()
    tokenizer.enable_truncation(5)
    llms = [LlmSpec(name=name) for name in ("a", "b", "c")]
    manifest = save_bundle(
        folder, model, tokenizer, name="t", encoder=spec, llms=llms, max_tokens=12, truncation_side="right"
    )
    return manifest, model


@pytest.mark.parametrize("fine_tuned", [False, True])
def test_a_saved_bundle_comes_back_with_the_same_scores(tmp_path: Path, encoder_folder: Path, fine_tuned: bool) -> None:
    manifest, model = _save(tmp_path / "bundle", encoder_folder, fine_tuned)
    again, loaded, tokenizer = load_bundle(tmp_path / "bundle")
    ids, mask = torch.tensor([[2, 5, 6, 3]]), torch.ones(1, 4, dtype=torch.long)
    assert again == manifest
    assert tokenizer.truncation is None
    assert torch.equal(loaded(ids, mask), model(ids, mask))


def test_only_what_training_changed_is_in_the_file(tmp_path: Path, encoder_folder: Path) -> None:
    _save(tmp_path / "frozen", encoder_folder)
    _save(tmp_path / "tuned", encoder_folder, fine_tuned=True)
    names = {}
    for kind in ("frozen", "tuned"):
        with safe_open(tmp_path / kind / "router.safetensors", framework="pt") as file:
            names[kind] = set(file.keys())
    assert {"llm_embeddings", "llm_bias"} <= names["frozen"]
    assert not any(name.startswith("encoder.") for name in names["frozen"])
    assert names["tuned"] - names["frozen"] == {"encoder.encoder.layer.0.output.dense.bias"}


def test_on_a_full_disk_the_bundle_that_was_there_stays_whole(
    tmp_path: Path, encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: Path, tokenizer: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    manifest, _ = _save(tmp_path / "bundle", encoder_folder)
    with monkeypatch.context() as patch:
        patch.setattr("routerdc.bundle_io._write_tokenizer", fails)
        with pytest.raises(OSError, match=r"No space left on device: '.*/bundle'"):
            _save(tmp_path / "bundle", encoder_folder, fine_tuned=True)
    assert load_bundle(tmp_path / "bundle")[0] == manifest


def test_names_must_be_as_many_as_columns(tmp_path: Path, encoder_folder: Path) -> None:
    manifest, model = _save(tmp_path, encoder_folder)
    with pytest.raises(BundleError, match="llms: 1 names for a model with 3 columns"):
        save_bundle(
            tmp_path,
            model,
            tiny_tokenizer(),
            name="t",
            encoder=manifest.encoder,
            llms=[LlmSpec(name="a")],
            max_tokens=12,
            truncation_side="left",
        )


def test_router_scores_in_the_order_asked_whatever_the_lengths_and_batches(
    tmp_path: Path, encoder_folder: Path
) -> None:
    _save(tmp_path, encoder_folder)
    router = Router.load(tmp_path)
    queries = ["add", "code w1 w2 w3 w4 w5", "sum w1", "plus w1 w2 w3", "w9 " * 30]
    scores = router.score(queries, batch_size=2)
    assert scores.shape == (5, 3)
    assert scores.dtype == np.float32
    for query, row in zip(queries, scores, strict=True):
        np.testing.assert_allclose(router.score([query])[0], row, atol=1e-5)
    assert router.score([]).shape == (0, 3)
