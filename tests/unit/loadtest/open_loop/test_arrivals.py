"""Arrivals: at the rate, independent of each other, reproducible."""

import itertools
import statistics

import pytest

from loadtest.open_loop.arrivals import poisson


def test_arrivals_come_at_the_rate_within_the_time_and_in_order() -> None:
    times = poisson(200, 100, seed=7)
    assert len(times) == pytest.approx(20_000, rel=0.03)
    assert times == sorted(times)
    assert times[0] > 0
    assert times[-1] < 100


def test_gaps_are_exponential_not_even() -> None:
    times = poisson(50, 400, seed=3)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.05)
    # As many gaps above the mean as e^-1 says.
    assert sum(gap > 1 / 50 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.02)


def test_the_same_seed_gives_the_same_arrivals() -> None:
    assert poisson(30, 5, seed=1) == poisson(30, 5, seed=1)
    assert poisson(30, 5, seed=1) != poisson(30, 5, seed=2)


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (-1, 1), (1, 0)])
def test_rates_and_times_that_make_no_sense_are_named(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="rate_per_second"):
        poisson(rate, seconds)
