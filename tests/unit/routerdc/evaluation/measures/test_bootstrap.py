"""Paired bootstrap."""

import math

import numpy as np
import pytest

from routerdc.evaluation.measures.bootstrap import group_means, interval, resampled_means


def test_interval_of_a_mean_has_the_width_that_theory_says() -> None:
    values = np.repeat([0.0, 1.0], 500)[:, None]
    spread = interval(resampled_means(values, resamples=4000)[:, 0])
    half = 1.96 * 0.5 / math.sqrt(1000)
    assert spread.low == pytest.approx(0.5 - half, abs=0.004)
    assert spread.high == pytest.approx(0.5 + half, abs=0.004)


def test_pairing_makes_a_constant_difference_certain() -> None:
    generator = np.random.default_rng(1)
    quality = generator.random((50, 1))
    samples = resampled_means(np.column_stack([quality, quality + 0.1]))
    spread = interval(samples[:, 1] - samples[:, 0])
    assert [spread.low, spread.high] == pytest.approx([0.1, 0.1])
    assert spread.excludes_zero


def test_missing_values_leave_only_their_own_column() -> None:
    quality = np.array([[1.0, np.nan, np.nan], [1.0, 0.5, np.nan]])
    samples = resampled_means(quality, resamples=200)
    assert (samples[:, 0] == 1).all()
    caught = ~np.isnan(samples[:, 1])
    assert 0 < caught.sum() < 200
    assert (samples[caught, 1] == 0.5).all()
    assert np.isnan(samples[:, 2]).all()
    assert math.isnan(interval(samples[:, 2]).low)


def test_groups_weigh_data_sets_the_same_whatever_their_size() -> None:
    small, large = resampled_means(np.zeros((3, 1))), resampled_means(np.ones((1000, 1)))
    assert (group_means([small, large]) == 0.5).all()


def test_same_seed_same_samples() -> None:
    quality = np.random.default_rng(0).random((20, 2))
    np.testing.assert_array_equal(resampled_means(quality, seed=3), resampled_means(quality, seed=3))
    assert (resampled_means(quality, seed=3) != resampled_means(quality, seed=4)).any()
