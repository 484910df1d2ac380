"""The gate between a router's scores and its prior."""

from pathlib import Path

import numpy as np
import pytest
import torch

from routerdc.loaded_bundle import Router
from routerdc.model import RouterConfig, RouterModel
from routerdc.training.choices import chosen_fallback
from routerdc.training.familiarity import OPEN, Gate, Unseen, best_gate, gates, prior_scores, rescaled, with_familiarity
from routerdc.training.fit import calibrating_rows, fit
from routerdc.training.preparation.place import Place
from routerdc.training.run import Run
from routerdc_contract.bundle import Calibration
from tests.support.data.tiny import tiny_datasets, tiny_recipe

NEAR, FAR = 0.9, 0.2


def _unseen(right: bool, rows: int = 400) -> Unseen:
    """A router that wants LLM 1 everywhere, where it is (or is not) better than the prior's LLM 0."""
    generator = np.random.default_rng(0)
    chance = [0.5, 0.9 if right else 0.2]
    quality = (generator.random((rows, 2)) < chance).astype(np.float32)
    kinds = np.arange(rows) % 20
    return Unseen(np.tile([0.0, 3.0], (rows, 1)), np.array([1.0, 0.0], np.float32), np.full(rows, FAR), quality, kinds)


def test_the_most_cautious_gate_is_kept_unless_a_wider_one_earns_more_on_unseen_kinds() -> None:
    candidates = gates(np.linspace(NEAR, 1, 100, dtype=np.float32))
    assert [round(candidates[0].high - candidates[0].low, 3), candidates[-1]] == [0.05, OPEN]
    assert best_gate(candidates, [_unseen(right=False)]) == candidates[0]
    assert best_gate(candidates, [_unseen(right=True)])(np.array([FAR]))[0] > 0.5
    assert best_gate(candidates, []) == candidates[0]


def test_a_gain_that_one_kind_of_twenty_makes_opens_no_gate() -> None:
    candidates = gates(np.linspace(NEAR, 1, 100, dtype=np.float32))
    lucky = _unseen(right=True)
    lucky.quality[lucky.kinds < 18] = 0.5  # nothing can be gained there
    lucky.quality[lucky.kinds == 18] = [0.0, 1.0]
    lucky.quality[lucky.kinds == 19] = [0.5, 0.0]
    gain = lucky.earned(OPEN) - lucky.earned(candidates[0])
    assert gain.mean() > gain.std() / len(gain) ** 0.5  # as if every row were an example of its own
    assert best_gate(candidates, [lucky]) == candidates[0]


def test_a_gain_that_is_likely_but_not_proven_opens_no_gate() -> None:
    candidates = gates(np.linspace(NEAR, 1, 100, dtype=np.float32))
    likely = _unseen(right=True)
    gains = likely.kinds < 13  # of 20 kinds: 0.3 a row on average, 1.3 times the standard error over kinds
    likely.quality[gains], likely.quality[~gains] = [0.0, 1.0], [1.0, 0.0]
    assert (likely.earned(OPEN) - likely.earned(candidates[0])).mean() == pytest.approx(0.3)
    assert best_gate(candidates, [likely]) == candidates[0]
    likely.quality[likely.kinds < 16] = [0.0, 1.0]
    assert best_gate(candidates, [likely])(np.array([FAR]))[0] > 0.5


def test_the_prior_is_the_llms_quality_on_the_average_row_as_a_logit() -> None:
    quality = np.array([[1, 0], [1, 1], [0, 0], [1, np.nan]], dtype=np.float32)
    prior = prior_scores(quality, np.zeros(4, np.int64))
    assert prior[0] == pytest.approx(np.log(3), abs=1e-4)
    assert prior[1] < prior[0]


def test_an_unfamiliar_query_gets_the_prior_and_a_familiar_one_the_routers_own_scores() -> None:
    torch.manual_seed(0)
    model = RouterModel(torch.nn.Identity(), RouterConfig(n_llms=3, features=8, dim=4, projection="linear", scale=5.0))
    features = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    place, prior = Place.of(features, seed=0), np.array([0.3, 0.2, 0.1], np.float32)
    raw = model.score(model.project(torch.from_numpy(features)))
    for gate, expected in ((OPEN, raw), (Gate(1.5, 2.0), torch.from_numpy(np.tile(prior, (40, 1))))):
        gated = with_familiarity(model, place, gate, prior)
        embedding = gated.project(torch.from_numpy(features))
        torch.testing.assert_close(embedding.norm(dim=1), torch.ones(40))
        torch.testing.assert_close(gated.score(embedding), expected, atol=1e-5, rtol=0)
    between = with_familiarity(model, place, Gate(0.0, 1.0), prior).familiarity
    assert between is not None
    nearness = torch.from_numpy(place.nearness(features))
    torch.testing.assert_close(between(embedding), nearness.clamp(0, 1), atol=1e-5, rtol=0)


def test_a_trained_bundle_falls_back_to_the_best_single_llm_on_queries_unlike_its_own(
    tmp_path: Path, encoder_folder: Path
) -> None:
    chosen = {"smoothing": None, "n_clusters": None}
    recipe = tiny_recipe(encoder_folder, head={"familiarity": True}, data=chosen)
    trained = fit(tiny_datasets(), recipe, seed=0, cache=None)
    trained.write(tmp_path, "tiny")
    router = Router.load(tmp_path)
    seen, unseen = tiny_datasets(seed=1)[0].queries, ["zzz zzz zzz", "qqq qqq qqq"]
    familiar, unfamiliar = router.familiarity(seen), router.familiarity(unseen)
    assert router.model.familiarity is not None
    assert familiar is not None
    assert unfamiliar is not None
    assert np.median(familiar) == 1
    assert unfamiliar.max() == 0
    np.testing.assert_allclose(router.score(unseen), np.tile(router.model.familiarity.prior, (2, 1)), atol=1e-6)
    assert trained.recipe.data.smoothing is not None
    assert trained.training["gate"][0] < trained.training["gate"][1]
    assert trained.metrics["unseen_kinds"]["router"]["rows"] == 120


def test_rescaled_scores_are_on_the_line_and_choose_the_same() -> None:
    torch.manual_seed(0)
    model = RouterModel(torch.nn.Identity(), RouterConfig(n_llms=3, features=8, dim=4, projection="linear", scale=5.0))
    model.llm_bias.data = torch.tensor([0.5, -0.5, 0.0])
    features = torch.randn(20, 8)
    line = Calibration(slope=1.75, intercept=0.25)
    before, after = (one.score(one.project(features)) for one in (model, rescaled(model, line)))
    torch.testing.assert_close(after, 1.75 * before + 0.25)
    assert rescaled(model, Calibration(slope=-1.0, intercept=0.0)).config.scale > 0


def test_an_unfamiliar_query_has_the_prior_and_a_familiar_one_the_routers_logits() -> None:
    far = _unseen(right=True, rows=3)
    assert far.behind(Gate(0.8, 0.9), Calibration(slope=2.0, intercept=1.0)).tolist() == [[1.0, 0.0]] * 3
    assert far.behind(OPEN, Calibration(slope=2.0, intercept=1.0)).tolist() == [[1.0, 7.0]] * 3


def test_platt_lines_are_fitted_on_as_many_rows_of_unseen_kinds_as_were_held_out(encoder_folder: Path) -> None:
    recipe = tiny_recipe(encoder_folder, head={"familiarity": True})
    run = Run(tiny_datasets(60), 0, "cpu", None, None)
    fallback = chosen_fallback(run, recipe)
    assert fallback is not None
    outcome = run.train(recipe, None)
    scores, quality = calibrating_rows(outcome, fallback, Calibration(slope=1.0, intercept=0.0), 0)
    assert scores.shape == quality.shape == (2 * len(outcome.data.held_out), 3)
