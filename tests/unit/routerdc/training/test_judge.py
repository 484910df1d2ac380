"""What choices earn, and how sure the difference between two choosers is."""

import numpy as np
import pytest

from routerdc.training.judging.judge import Gain


def test_a_gain_has_every_data_set_weigh_the_same_and_leaves_out_what_cannot_be_judged() -> None:
    difference = np.array([1.0, 0.0, 0.0, 0.0, np.nan, 1.0, -1.0])
    gain = Gain.over_data_sets(difference, np.array([0, 0, 0, 0, 0, 1, 1]))
    assert gain.mean == pytest.approx((0.25 + 0.0) / 2)
    assert gain.error == pytest.approx((0.1875 / 4 + 1.0 / 2) ** 0.5 / 2)
    assert gain.rows == 6


def test_the_interval_of_a_gain_holds_the_truth_nineteen_times_in_twenty() -> None:
    draw = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        difference = draw.choice([-1.0, 0.0, 1.0], size=200, p=[0.1, 0.6, 0.3])
        found = Gain.over_data_sets(difference, np.zeros(200)).in_points()
        held += found["low"] <= 20 <= found["high"]
    assert 0.92 <= held / 400 <= 0.98
