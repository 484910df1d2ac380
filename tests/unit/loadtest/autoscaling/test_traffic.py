import numpy as np
import pytest

from loadtest.autoscaling.traffic import Phase, arrivals, duration, rate_at

RAMP = (Phase(10, 0), Phase(100, 200), Phase(50, 200))


def test_rates_go_in_straight_lines_from_phase_to_phase() -> None:
    assert rate_at(RAMP, np.array([0.0, 10.0, 60.0, 110.0, 160.0])).tolist() == [0, 0, 100, 200, 200]
    assert duration(RAMP) == 160


def test_arrivals_follow_the_rate_and_are_in_order() -> None:
    times = arrivals(RAMP, np.random.default_rng(3))
    assert times == sorted(times)
    assert len(times) == pytest.approx(100 * 100 + 50 * 200, rel=0.02)
    assert sum(at < 10 for at in times) == 0
