"""The cross-check compares medians and keeps every round."""

import pytest

from loadtest.cross_check import Seen, agreements
from loadtest.perf_analyzer import Measurement


def test_medians_of_the_rounds_are_compared() -> None:
    pairs = [(Seen(11, 90), Seen(10, 100)), (Seen(12, 95), Seen(10, 100)), (Seen(99, 1), Seen(10, 100))]
    p50, answers = agreements(pairs)
    assert (p50.locust, p50.perf_analyzer) == (12, 10)
    assert p50.difference == pytest.approx(0.2)
    assert answers.difference == pytest.approx(-0.1)


def test_a_measurement_counts_answers_over_its_time() -> None:
    seen = Measurement(2.0, [float(ms) for ms in range(1, 101)])
    assert seen.per_second == 50
    assert seen.latency_ms(0.99) == pytest.approx(99, abs=1)
