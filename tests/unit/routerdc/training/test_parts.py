"""Recipes, calibration, templates, judging."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from routerdc.training.judging.calibration import platt, pooled_platt
from routerdc.training.judging.judge import expected_quality, macro_quality
from routerdc.training.preparation.inputs import fold_standardisation
from routerdc.training.preparation.templates import without_template
from routerdc.training.recipe import RecipeError, load_recipe, shipped_recipes
from routerdc_contract.bundle import Calibration


def test_shipped_recipes_load_and_the_paper_is_as_published() -> None:
    assert {"default", "paper"} <= set(shipped_recipes())
    paper = load_recipe("paper")
    assert paper.encoder.name == "microsoft/mdeberta-v3-base"
    assert (paper.encoder.pooling, paper.encoder.truncation_side, paper.encoder.max_tokens) == ("cls", "left", 512)
    assert paper.sample_llm.model_dump() == {"kind": "published", "positives": 3, "negatives": 3}
    assert (paper.sample_sample.weight, paper.sample_sample.negatives, paper.head.scale) == (1.0, 3, 1.0)
    assert (paper.optimizer.learning_rate, paper.optimizer.steps, paper.optimizer.batch_size) == (5e-5, 1000, 64)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"surprise": 1}, "surprise"),
        ({"optimizer": {"steps": 0}}, "steps"),
        ({"sample_llm": {"kind": "magic"}}, "sample_llm"),
        ({"encoder": {"trained": True}}, "feature_noise"),
    ],
)
def test_a_wrong_recipe_is_refused_by_the_name_of_the_field(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    fields = load_recipe("default").model_dump(mode="json")
    for name, value in change.items():
        fields[name] = {**fields[name], **value} if isinstance(value, dict) else value
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(fields))
    with pytest.raises(RecipeError, match=named):
        load_recipe(str(tmp_path / "mine.yaml"))


def test_a_recipe_with_a_base_gives_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nbase: default\nencoder: {layers: 2}\n")
    default = load_recipe("default")
    assert load_recipe(str(path)) == default.changed(name="mine", encoder={"layers": 2})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("base: nonsense", "base: nonsense is no shipped recipe"),
        ("base: [default]", "is no shipped recipe"),
        ("base: default\nencoder: {depth: 2}", r"encoder\.depth"),
        ("base: default\ndecoder: {layers: 2}", "decoder"),
    ],
)
def test_a_wrong_base_or_a_field_that_it_has_not_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(RecipeError, match=reason):
        load_recipe(str(tmp_path / "mine.yaml"))


def test_an_unknown_recipe_says_which_there_are() -> None:
    with pytest.raises(RecipeError, match=r"nonsense: no such recipe; shipped are .*default"):
        load_recipe("nonsense")


def test_another_encoder_is_taken_whole() -> None:
    recipe = load_recipe("default").with_encoder("hub:some/encoder@main")
    assert (recipe.encoder.sources, recipe.encoder.layers) == (("hub:some/encoder@main",), None)


def test_platt_finds_the_line_that_made_the_outcomes() -> None:
    scores = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    quality = torch.sigmoid(torch.stack([2 * scores[:, 0] - 1, 0.5 * scores[:, 1]], dim=1))
    first, second = platt(scores, quality)
    assert first is not None
    assert second is not None
    assert (first.slope, first.intercept) == pytest.approx((2, -1), abs=0.04)  # 30 of 4,000 rows pull elsewhere
    assert (second.slope, second.intercept) == pytest.approx((0.5, 0), abs=0.04)


def test_platt_stays_finite_on_one_sided_constant_and_unknown_outcomes() -> None:
    scores = torch.tensor([[1.0, 2.0, 0.0], [3.0, 2.0, 0.0]])
    quality = torch.tensor([[1.0, 1.0, float("nan")], [1.0, 0.0, float("nan")]])
    one_sided, constant, unknown = platt(scores, quality)
    assert unknown is None
    for fit in (one_sided, constant):
        assert fit is not None
        assert np.isfinite([fit.slope, fit.intercept]).all()


def test_an_llm_with_few_outcomes_has_nearly_the_common_line_and_one_with_many_its_own() -> None:
    scores = torch.randn(3000, 3, generator=torch.Generator().manual_seed(1))
    quality = torch.sigmoid(torch.stack([scores[:, 0] + 1, scores[:, 1] + 1, scores[:, 2] - 1], dim=1))
    quality[4:, 1:2] = quality[8:, 2:] = float("nan")
    common, fits = pooled_platt(scores, quality), platt(scores, quality)
    at_zero = [fit.intercept for fit in fits if fit is not None]
    assert at_zero[:2] == pytest.approx([1, 1], abs=0.02)
    assert common.intercept == pytest.approx(1, abs=0.05)
    assert 0.4 < at_zero[2] < 0.9  # of eight outcomes that say -1: a step towards them, no more


def test_without_any_outcome_there_is_no_line_but_the_identity_in_common() -> None:
    unknown = torch.full((3, 2), float("nan"))
    assert platt(torch.ones(3, 2), unknown) == [None, None]
    assert pooled_platt(torch.ones(3, 2), unknown) == Calibration(slope=1.0, intercept=0.0)


@pytest.mark.parametrize(
    ("query", "bare"),
    [
        ("Question:Why is it so?\nAnswer:", "Why is it so?"),
        ("下列说法正确的是\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n答案：", "下列说法正确的是\n甲\n乙\n丙\n丁"),
        ('"""\nWrite a function.\nassert f(1) == 2\n"""\n', "Write a function.\nassert f(1) == 2"),
        ("Which?\n(A) one\n(B) two", "Which?\none\ntwo"),
        ("A. Einstein was born where?", "A. Einstein was born where?"),
        ("Question: Answer:", "Question: Answer:"),
        ("nothing to take away", "nothing to take away"),
    ],
)
def test_templates_are_taken_away_and_nothing_else(query: str, bare: str) -> None:
    assert without_template(query) == bare


def test_every_data_set_weighs_the_same_whatever_its_size() -> None:
    scores = np.array([[1.0, 0.0]] * 4)
    quality = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    data_set = np.array([0, 0, 0, 1])
    assert macro_quality(scores, quality, data_set) == 0.5
    assert expected_quality(100 * scores, quality, data_set) == pytest.approx(0.5)


def test_expected_quality_never_chooses_an_llm_whose_quality_is_unknown() -> None:
    quality = np.array([[np.nan, 1.0], [np.nan, np.nan]])
    assert expected_quality(np.array([[9.0, 0.0], [0.0, 0.0]]), quality, np.array([0, 0])) == 1.0


def test_a_folded_layer_takes_raw_features() -> None:
    torch.manual_seed(0)
    layer, features = torch.nn.Linear(4, 3), torch.randn(5, 4) * 3 + 1
    mean, deviation = features.mean(dim=0), features.std(dim=0)
    expected = layer((features - mean) / deviation)
    fold_standardisation(layer, mean, deviation)
    torch.testing.assert_close(layer(features), expected)
