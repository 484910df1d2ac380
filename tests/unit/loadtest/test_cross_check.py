"""The cross-check compares medians and keeps every round."""

import pytest

from loadtest.cross_check import Seen, agreements
from loadtest.perf_analyzer import Measurement


def test_the_difference_is_the_median_over_the_pairs_so_that_drift_and_one_bad_round_do_not_count() -> None:
    pairs = [(Seen(11, 90), Seen(10, 100)), (Seen(24, 45), Seen(20, 50)), (Seen(99, 1), Seen(10, 100))]
    p50, answers = agreements(pairs)
    assert (p50.locust, p50.perf_analyzer) == (24, 10)
    assert p50.difference == pytest.approx(0.2)
    assert answers.difference == pytest.approx(-0.1)


def test_a_measurement_counts_answers_over_its_time() -> None:
    seen = Measurement(2.0, [float(ms) for ms in range(1, 101)])
    assert seen.per_second == 50
    assert seen.latency_ms(0.99) == pytest.approx(99, abs=1)
