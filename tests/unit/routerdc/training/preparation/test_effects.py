"""Scores that are missing not at random may not make an LLM look better, or worse, than it is."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from routerdc.data.formats.rows import DataError
from routerdc.training.preparation.effects import additive_effects, require_rows, without_ungraded
from tests.support.data.tiny import tiny_datasets


def _graded(rows: int = 4000, seed: int = 0) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Three LLMs on rows of two difficulties; quality, and which rows are easy."""
    generator = np.random.default_rng(seed)
    easy = np.arange(rows) % 2 == 0
    chance = np.array([0.6, 0.5, 0.4]) + np.where(easy, 0.25, -0.25)[:, None]
    return (generator.random((rows, 3)) < chance).astype(np.float32), easy


def test_on_a_complete_table_an_llms_effect_is_its_mean_and_a_rows_ease_its_distance_from_the_average() -> None:
    quality, easy = _graded()
    effects = additive_effects(quality)
    np.testing.assert_allclose(effects.llm, quality.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(effects.ease[easy].mean() - effects.ease[~easy].mean(), 0.5, atol=0.03)
    np.testing.assert_allclose(effects.expected.mean(axis=0), quality.mean(axis=0), atol=1e-6)


def test_rows_that_weigh_more_decide_what_the_average_row_is() -> None:
    quality, easy = _graded()
    effects = additive_effects(quality, np.where(easy, 1e6, 1.0))
    np.testing.assert_allclose(effects.llm, quality[easy].mean(axis=0), atol=1e-3)


def test_an_llm_graded_on_easy_rows_alone_does_not_look_better() -> None:
    quality, easy = _graded()
    quality[~easy, 2] = np.nan
    assert np.nanmean(quality[:, 2]) > 0.6  # its plain mean beats the first LLM's
    np.testing.assert_allclose(additive_effects(quality).llm, [0.6, 0.5, 0.4], atol=0.03)


def test_rows_and_llms_without_any_grade_are_unknown_and_disturb_nothing() -> None:
    quality, _ = _graded()
    bare = np.full((len(quality) + 1, 4), np.nan, np.float32)
    bare[:-1, :3] = quality
    effects = additive_effects(bare)
    np.testing.assert_allclose(effects.llm[:3], additive_effects(quality).llm, atol=1e-6)
    assert np.isnan(effects.llm[3])
    assert effects.ease[-1] == 0


def test_an_llm_with_too_few_grades_is_left_out_and_named() -> None:
    datasets = tiny_datasets(rows=200)
    for dataset in datasets:
        dataset.scores[20:, 1] = np.nan
    kept, left_out = without_ungraded(datasets)
    assert left_out == {"coder": 40}
    assert [dataset.llms for dataset in kept] == [("adder", "idler")] * 2
    assert [len(dataset) for dataset in kept] == [200, 200]


def test_where_all_llms_have_few_grades_none_is_left_out() -> None:
    datasets = [replace(dataset) for dataset in tiny_datasets(rows=10)]
    kept, left_out = without_ungraded(datasets)
    assert left_out == {}
    assert [dataset.llms for dataset in kept] == [dataset.llms for dataset in datasets]


def test_too_few_rows_are_refused_in_words() -> None:
    require_rows(tiny_datasets(rows=10))
    with pytest.raises(DataError, match=r"18 graded rows are too few .* at least 20"):
        require_rows(tiny_datasets(rows=9))


def test_one_llm_is_no_pool() -> None:
    datasets = tiny_datasets(rows=20)
    (first, *_) = datasets[0].llms
    with pytest.raises(DataError, match=rf"enough grades of one LLM alone, {first}: .*two or more"):
        require_rows([dataset.aligned([first]) for dataset in datasets])
