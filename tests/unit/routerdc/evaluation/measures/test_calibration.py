"""Calibration."""

import numpy as np
import pytest

from routerdc.evaluation.measures.calibration import probabilities, reliability
from routerdc_contract.bundle import Calibration, LlmSpec


def test_error_by_hand_in_two_bins() -> None:
    found = reliability(np.array([0.1, 0.3, 0.9, 0.9]), np.array([0.0, 1.0, 1.0, 0.5]), bins=2)
    assert found.predicted == pytest.approx((0.2, 0.9))
    assert found.observed == pytest.approx((0.5, 0.75))
    assert found.weight == (0.5, 0.5)
    assert found.ece == pytest.approx(0.5 * 0.3 + 0.5 * 0.15)


def test_unknown_outcomes_do_not_count_and_the_ends_have_bins() -> None:
    found = reliability(np.array([[0.0, 1.0], [0.5, 1.0]]), np.array([[0.0, 1.0], [np.nan, 1.0]]))
    assert found.ece == 0
    assert found.weight == pytest.approx((1 / 3, 2 / 3))


def test_predictions_that_tell_the_truth_have_almost_no_error() -> None:
    generator = np.random.default_rng(0)
    predicted = generator.random(200_000)
    assert reliability(predicted, (generator.random(200_000) < predicted).astype(float)).ece < 0.006


def test_sigmoid_of_slope_and_intercept_without_overflow() -> None:
    llms = [
        LlmSpec(name="a", calibration=Calibration(slope=2, intercept=-1)),
        LlmSpec(name="b", calibration=Calibration(slope=1000, intercept=0)),
    ]
    found = probabilities(np.array([[0.5, -9.0], [1.0, 9.0]], dtype=np.float32), llms)
    assert found is not None
    np.testing.assert_allclose(found, [[0.5, 0.0], [1 / (1 + np.exp(-1)), 1.0]], atol=1e-12)


def test_one_llm_without_calibration_makes_the_router_uncalibrated() -> None:
    llms = [LlmSpec(name="a", calibration=Calibration(slope=1, intercept=0)), LlmSpec(name="b")]
    assert probabilities(np.zeros((1, 2), dtype=np.float32), llms) is None


def test_true_probabilities_show_the_floor() -> None:
    generator = np.random.default_rng(0)
    predicted = generator.random(800)
    shown = [reliability(predicted, (generator.random(800) < predicted).astype(float)) for _ in range(200)]
    assert np.mean([one.ece for one in shown]) == pytest.approx(shown[0].floor, rel=0.05)


def test_four_times_the_rows_halve_the_floor() -> None:
    rows = np.full(100, 0.5)
    assert reliability(np.tile(rows, 4), np.ones(400)).floor == pytest.approx(reliability(rows, np.ones(100)).floor / 2)
