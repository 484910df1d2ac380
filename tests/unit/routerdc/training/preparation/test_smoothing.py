"""Smoothed labels: domains and tasks are found, luck is not, and far from all rows only the average is left."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from routerdc.training.judging.judge import macro_quality
from routerdc.training.preparation.place import Place, unit
from routerdc.training.preparation.smoothing import (
    FOLDS,
    GRID,
    NOTHING,
    Basis,
    Strength,
    _error,
    _out_of_fold,
    _Regression,
    best_strength,
    folds_of_kinds,
    smoothed_quality,
)

Array = npt.NDArray[Any]
STRONG = Strength(3.0, 10.0)
EVEN, ODD = [0.9, 0.2] * 3, [0.2, 0.8] * 3
ONE_IS_BEST = [0.8, 0.6, 0.5, 0.4, 0.3, 0.2]  # among equals luck costs nothing, so there any strength may win


def _tasks(tasks: int = 8, rows: int = 60, seed: int = 0) -> tuple[Array, Array, Array]:
    """Features around one direction a task, scores of six LLMs, each good at half of the tasks, and tasks."""
    generator = np.random.default_rng(seed)
    task = np.repeat(np.arange(tasks), rows)
    features = 3 * np.eye(tasks, 24)[task] + 0.3 * generator.standard_normal((len(task), 24))
    chance = np.where((task % 2 == 0)[:, None], EVEN, ODD)
    return features.astype(np.float32), (generator.random(chance.shape) < chance).astype(np.float32), task


def _basis(features: Array) -> Basis:
    place = Place.of(features, seed=0)
    return Basis.of(place(features), place.anchors)


def _best(features: Array, quality: Array, data_set: Array, kinds: Array) -> Strength:
    return best_strength(_basis(features), quality, data_set, kinds, seed=0)


def test_targets_are_the_tasks_means_rather_than_single_draws() -> None:
    features, quality, task = _tasks()
    targets = smoothed_quality(_basis(features), quality, STRONG)
    assert targets.shape == quality.shape
    np.testing.assert_allclose(targets[task % 2 == 0].mean(axis=0), EVEN, atol=0.1)
    assert targets[task == 0].std(axis=0).max() < 0.12  # of single draws: 0.3 to 0.4


def test_without_any_belief_targets_are_the_llms_means() -> None:
    features, quality, _ = _tasks()
    targets = smoothed_quality(_basis(features), quality, Strength(None, None))
    np.testing.assert_allclose(targets, np.tile(quality.mean(axis=0), (len(quality), 1)), atol=1e-5)


def test_missing_scores_pull_on_nothing() -> None:
    features, quality, _ = _tasks()
    some = quality.copy()
    some[::2, 0] = np.nan
    whole, part = (smoothed_quality(_basis(features), table, STRONG) for table in (quality, some))
    assert not np.isnan(part).any()
    assert np.abs(whole - part).mean(axis=0).max() < 0.1  # of single draws: 0.3


def test_cross_validation_believes_tasks_that_are_there_and_not_noise() -> None:
    features, quality, task = _tasks(rows=10)
    data_set, kinds = np.zeros(len(task), dtype=np.int64), folds_of_kinds(task.tolist(), 0)
    assert _best(features, quality, data_set, kinds) != Strength(None, None)
    noise = (np.random.default_rng(1).random(quality.shape) < ONE_IS_BEST).astype(np.float32)
    assert _best(features, noise, data_set, kinds) == Strength(None, None) == GRID[-1]


def test_what_the_others_are_worth_is_believed_where_one_llm_wins_everywhere() -> None:
    features, quality, task = _tasks(rows=10)
    data_set, kinds = np.zeros(len(task), dtype=np.int64), folds_of_kinds(task.tolist(), 0)
    always_right = np.column_stack([np.ones(len(task), dtype=np.float32), quality])
    assert _best(features, always_right, data_set, kinds) != Strength(None, None)


def test_the_best_llm_is_not_left_for_what_luck_says_of_the_others() -> None:
    features, _, task = _tasks(rows=10)
    chance = np.where((task % 2 == 0)[:, None], [0.7, 0.65, 0.65], [0.7, 0.1, 0.1])
    quality = (np.random.default_rng(1).random(chance.shape) < chance).astype(np.float32)
    data_set, kinds = np.zeros(len(task), dtype=np.int64), folds_of_kinds(task.tolist(), 0)
    by_row = _out_of_fold(_basis(features), quality, np.random.default_rng(0).permutation(len(task)) % FOLDS)
    earned = {strength: macro_quality(scores, quality, data_set) for strength, scores in by_row.items()}
    least_error = min(GRID, key=lambda strength: _error(by_row[strength], quality))
    assert earned[least_error] < earned[NOTHING]
    found = _best(features, quality, data_set, kinds)
    assert found != NOTHING
    assert earned[found] >= earned[NOTHING]


def test_after_a_plan_that_grades_have_steered_rows_that_all_were_asked_choose_the_strength() -> None:
    features, quality, task = _tasks(rows=40)
    whole = np.arange(len(task)) % 4 == 0
    quality[whole] = np.random.default_rng(1).random((whole.sum(), 6)) < 0.5  # there tasks do not matter
    quality[~whole, :4] = np.nan
    data_set, kinds = np.zeros(len(task), dtype=np.int64), folds_of_kinds(task.tolist(), 0)
    found = best_strength(_basis(features), quality, data_set, kinds, seed=0, steered=True)
    by_row = _out_of_fold(_basis(features), quality, np.random.default_rng(0).permutation(len(task)) % FOLDS)
    errors = {strength: _error(scores[whole], quality[whole]) for strength, scores in by_row.items()}
    assert errors[found] == min(errors.values())
    assert found != _best(features, quality, data_set, kinds)


@pytest.mark.parametrize(("kinds", "folds"), [(3, 3), (40, 5)])
def test_a_kind_lies_in_one_fold(kinds: int, folds: int) -> None:
    names = [f"kind {i % kinds}" for i in range(400)]
    fold_of = folds_of_kinds(names, seed=0)
    assert len(np.unique(fold_of)) == folds
    assert all(
        len({fold for name, fold in zip(names, fold_of, strict=True) if name == kind}) == 1 for kind in set(names)
    )


def test_anchors_are_near_the_rows_they_stand_for_and_far_from_others() -> None:
    features, _, _ = _tasks()
    place = Place.of(features, seed=0)
    assert np.quantile(place.nearness(features), 0.05) > 0.9
    elsewhere = np.random.default_rng(2).standard_normal((50, 24)).astype(np.float32)
    assert np.median(place.nearness(elsewhere)) < 0.7
    np.testing.assert_allclose(np.linalg.norm(place.anchors, axis=1), 1, atol=1e-5)
    assert unit(np.zeros((1, 3), np.float32)).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("strength", GRID)
def test_strengths_are_compared_by_what_their_labels_would_be_but_for_the_last_digits(strength: Strength) -> None:
    features, quality, _ = _tasks(rows=20)
    quality[::3, 1] = np.nan
    learn = np.arange(len(quality)) % 5 != 0
    regression = _Regression(_basis(features), quality, learn)
    np.testing.assert_allclose(
        regression.sketch(~learn, strength), regression.predict(~learn, strength), rtol=0, atol=1e-4
    )
