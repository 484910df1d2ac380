"""Live figures are differences of what the gateway's metrics say."""

import pytest

from console.live import figures, quantile, reading

FIRST = """\
routerdc_requests_total{llm="a",reason="routed"} 10
routerdc_requests_total{llm="b",reason="routed"} 5
routerdc_fallbacks_total{cause="timeout"} 2
routerdc_shadow_queries_total{outcome="agreed"} 1
routerdc_stage_seconds_bucket{stage="total",le="0.001"} 0
routerdc_stage_seconds_bucket{stage="total",le="0.002"} 4
routerdc_stage_seconds_bucket{stage="total",le="+Inf"} 4
"""
SECOND = """\
routerdc_requests_total{llm="a",reason="routed"} 19
routerdc_requests_total{llm="a",reason="cached"} 6
routerdc_requests_total{llm="b",reason="routed"} 10
routerdc_fallbacks_total{cause="timeout"} 2
routerdc_fallbacks_total{cause="failed"} 3
routerdc_shadow_queries_total{outcome="agreed"} 10
routerdc_shadow_queries_total{outcome="differed"} 1
routerdc_stage_seconds_bucket{stage="total",le="0.001"} 0
routerdc_stage_seconds_bucket{stage="total",le="0.002"} 14
routerdc_stage_seconds_bucket{stage="total",le="+Inf"} 14
routerdc_in_flight 3
routerdc_ready 1
routerdc_bundle_info{bundle_id="b1"} 1
routerdc_tritons{state="in_rotation"} 2
"""


def test_figures_are_what_happened_between_two_readings() -> None:
    live = figures(reading(FIRST, 100.0), reading(SECOND, 104.0))
    assert live["decisions_per_second"] == pytest.approx(20 / 4)
    assert live["shares"] == {"a": 15 / 20, "b": 5 / 20}
    assert live["fallbacks"] == {"failed": 3}
    assert live["shadow_agreement"] == 9 / 10
    assert live["stages"]["total"] == {"p50": pytest.approx(1.5), "p99": pytest.approx(1.99)}
    assert live["stages"]["score"] == {"p50": None, "p99": None}
    assert (live["in_flight"], live["ready"], live["bundle"]) == (3, True, "b1")
    assert live["tritons"] == {"in_rotation": 2}


def test_a_gateway_that_started_again_counts_from_its_start() -> None:
    live = figures(reading(SECOND, 0.0), reading(FIRST, 1.0))
    assert live["decisions_per_second"] == 10 + 5
    assert live["ready"] is False


def test_nothing_happened() -> None:
    live = figures(reading(SECOND, 0.0), reading(SECOND, 2.0))
    assert (live["decisions_per_second"], live["shares"], live["shadow_agreement"]) == (0, {}, None)


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert quantile([(0.5, 1), (float("inf"), 10)], 0.99) == 500
    assert quantile([], 0.5) is None
