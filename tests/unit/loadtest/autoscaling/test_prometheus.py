import pytest

from loadtest.autoscaling.prometheus import Counters, Prometheus


def test_rates_are_taken_over_the_window_only() -> None:
    prometheus = Prometheus(window_seconds=30)
    for at, asked in ((0, 0), (10, 1000), (20, 1100), (30, 1200), (40, 1300)):
        prometheus.scrape(at, Counters(asked=asked, computed=asked // 2))
    assert prometheus.asked_per_second() == pytest.approx((1300 - 1000) / 30)
    assert prometheus.computed_per_second() == pytest.approx((650 - 500) / 30)


def test_queue_time_is_a_mean_over_the_requests_of_the_window() -> None:
    prometheus = Prometheus(window_seconds=30)
    prometheus.scrape(0, Counters(queue_seconds=5, requests=100))
    prometheus.scrape(15, Counters(queue_seconds=6, requests=150))
    assert prometheus.queue_seconds_per_request() == pytest.approx(0.02)


def test_without_requests_queue_time_is_zero_and_not_undefined() -> None:
    prometheus = Prometheus(window_seconds=30)
    prometheus.scrape(0, Counters())
    prometheus.scrape(15, Counters())
    assert prometheus.queue_seconds_per_request() == 0
    assert prometheus.asked_per_second() == 0


def test_one_sample_is_no_rate() -> None:
    prometheus = Prometheus(window_seconds=30)
    prometheus.scrape(0, Counters(asked=100))
    assert prometheus.asked_per_second() == 0
