from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from routerdc.loaded_bundle import Router
from routerdc.training import loop
from routerdc.training.fit import Trained, fit
from routerdc.training.judging.judge import macro_quality
from routerdc.training.loop import CheckpointError
from routerdc.training.recipe import Recipe
from tests.support.data.tiny import tiny_datasets, tiny_recipe


def _weights(trained: Trained) -> dict[str, torch.Tensor]:
    return dict(trained.model.state_dict())


def _same(left: Trained, right: Trained) -> bool:
    mine, other = _weights(left), _weights(right)
    return all(torch.equal(mine[name], other[name]) for name in mine)


@pytest.mark.parametrize("name", ["default", "paper"])
def test_a_trained_bundle_routes_each_kind_of_query_to_the_llm_that_can(
    tmp_path: Path, encoder_folder: Path, name: str
) -> None:
    faster: dict[str, dict[str, Any]] = {
        "optimizer": {"learning_rate": 3e-3, "steps": 60},
        "data": {"rows_per_data_set": 60},
    }
    recipe = tiny_recipe(encoder_folder, name, **(faster if name == "paper" else {}))
    trained = fit(tiny_datasets(), recipe, seed=0, cache=tmp_path / "cache")
    trained.write(tmp_path / "bundle", "tiny")
    fresh = tiny_datasets(seed=1)
    router = Router.load(tmp_path / "bundle")
    scores = np.concatenate([router.score(dataset.queries) for dataset in fresh])
    quality = np.concatenate([dataset.quality() for dataset in fresh])
    assert router.llms == ("adder", "coder", "idler")
    assert macro_quality(scores, quality, np.repeat([0, 1], 60)) > 0.8  # best single LLM: 0.58


@pytest.mark.parametrize("name", ["default", "paper"])
def test_same_seed_same_bits_and_another_seed_differs(encoder_folder: Path, name: str) -> None:
    recipe = tiny_recipe(encoder_folder, name, optimizer={"steps": 6})
    first, again, other = (fit(tiny_datasets(20), recipe, seed=seed, cache=None) for seed in (3, 3, 4))
    assert _same(first, again)
    assert not _same(first, other)


@pytest.mark.parametrize("name", ["default", "paper"])
def test_a_run_resumed_from_its_checkpoint_ends_with_the_same_bits(
    tmp_path: Path, encoder_folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routerdc.training.run.CHECKPOINT_EVERY_STEPS", 4)
    evaluate = {"evaluate_every": 3} if name == "default" else {}
    recipe = tiny_recipe(encoder_folder, name, optimizer={"steps": 10, **evaluate})
    whole = fit(tiny_datasets(20), recipe, seed=0, cache=None)
    checkpoint = tmp_path / "run.pt"
    _interrupted_at_step(7, recipe, checkpoint, monkeypatch)
    assert checkpoint.is_file()
    assert _same(whole, fit(tiny_datasets(20), recipe, seed=0, cache=None, checkpoint=checkpoint))


def _interrupted_at_step(step: int, recipe: Recipe, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    advance = loop._Run.step

    def dies(self: loop._Run, at: int) -> float:
        if at == step:
            raise KeyboardInterrupt
        return advance(self, at)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "step", dies)
        with pytest.raises(KeyboardInterrupt):
            fit(tiny_datasets(20), recipe, seed=0, cache=None, checkpoint=checkpoint)


def test_a_checkpoint_of_another_run_is_refused(
    tmp_path: Path, encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routerdc.training.run.CHECKPOINT_EVERY_STEPS", 4)
    recipe = tiny_recipe(encoder_folder, optimizer={"steps": 4})
    fit(tiny_datasets(20), recipe, seed=0, cache=None, checkpoint=tmp_path / "run.pt")
    with pytest.raises(CheckpointError, match="another recipe, data or seed"):
        fit(tiny_datasets(20), recipe, seed=1, cache=None, checkpoint=tmp_path / "run.pt")


def test_a_frozen_encoder_is_not_changed_and_missing_scores_are_not_zeros(tmp_path: Path, encoder_folder: Path) -> None:
    datasets = tiny_datasets()
    for dataset in datasets:
        dataset.scores[::2, 0] = np.nan  # half of what is known of the adder
    trained = fit(datasets, tiny_recipe(encoder_folder), seed=0, cache=None)
    trained.write(tmp_path, "tiny")
    router = Router.load(tmp_path)
    assert (router.score(tiny_datasets(seed=1)[0].queries).argmax(axis=1) == 0).mean() > 0.8
    assert all(llm.calibration for llm in trained.llms)


def test_a_trained_encoder_gets_gradients_and_its_changes_are_in_the_bundle(
    tmp_path: Path, encoder_folder: Path
) -> None:
    trained = fit(tiny_datasets(20), tiny_recipe(encoder_folder, "paper", optimizer={"steps": 3}), seed=0, cache=None)
    trained.write(tmp_path, "tiny")
    queries = ["add w1 w2", "code w3"]
    before = Router.load(tmp_path).score(queries)
    assert trained.training["best_step"] == 3
    np.testing.assert_allclose(Router.load(tmp_path).score(queries), before)
    assert (tmp_path / "router.safetensors").stat().st_size > 10_000  # the encoder's tensors are in it


@pytest.mark.parametrize("name", ["default", "paper"])
@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"))],
)
def test_training_on_a_device_resumes_there_and_ends_as_a_bundle_for_every_machine(
    tmp_path: Path, encoder_folder: Path, name: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routerdc.training.run.CHECKPOINT_EVERY_STEPS", 2)
    steps: list[tuple[int, str]] = []
    whole = loop._Run.step

    def watched(run: loop._Run, step: int) -> float:
        steps.append((step, run.model.llm_embeddings.device.type))
        return whole(run, step)

    monkeypatch.setattr(loop._Run, "step", watched)
    recipe = tiny_recipe(encoder_folder, name, data={"held_out": 0.0}, optimizer={"steps": 4})
    checkpoint = tmp_path / "run.pt"
    for _ in range(2):  # the second goes on where the first ended
        trained = fit(tiny_datasets(20), recipe, seed=0, device=device, cache=None, checkpoint=checkpoint)
    assert steps == [(step, device) for step in range(4)]
    assert {value.device.type for value in _weights(trained).values()} == {"cpu"}
    trained.write(tmp_path / "bundle", "tiny")
    assert np.isfinite(Router.load(tmp_path / "bundle").score(["add w1"])).all()
