"""Alerts, autoscalers and dashboards ask for metrics, labels and values that there are.

The end-to-end tests hold the same against a scrape of the running services (tests/e2e/operations/test_scrape.py).
"""

import re

import pytest
from google.rpc import code_pb2

from gateway import errors
from gateway.domain.decision import Reason
from gateway.domain.outcomes import CallOutcome, EndpointState, ShadowOutcome
from gateway.envoy_config.parts.failures import RETRIED
from gateway.scoring.triton.balancer import TritonState
from gateway.telemetry import metrics
from tests.support.rendered import needs_kubectl
from tests.support.series.envoy import ENVOY_SERIES
from tests.support.series.gateway import series
from tests.support.series.promql import (
    TARGET_LABELS,
    autoscaler_queries,
    dashboard_queries,
    exact_values,
    grouped_by,
    recorded,
    rules,
    selectors,
)
from tests.support.series.triton import TRITON_SERIES

pytestmark = needs_kubectl
KNOWN = series() | TRITON_SERIES | ENVOY_SERIES
OF_PROMETHEUS = {"up": set[str]()}
CAUSES = {kind.cause for kind in errors.ScorerError.__subclasses__()}
VALUES: dict[tuple[str, str], set[str]] = {
    ("routerdc_tritons", "state"): {state.value for state in TritonState},
    ("routerdc_endpoints", "state"): {state.value for state in EndpointState},
    ("routerdc_endpoint_outcomes_total", "outcome"): {outcome.value for outcome in CallOutcome},
    ("routerdc_shadow_queries_total", "outcome"): {outcome.value for outcome in ShadowOutcome},
    ("routerdc_caller_queries_total", "outcome"): {"admitted", "limited"},
    ("routerdc_cache_lookups_total", "outcome"): {"hit", "miss"},
    ("routerdc_errors_total", "code"): set(code_pb2.Code.keys()),
    ("routerdc_fallbacks_total", "cause"): CAUSES,
    ("routerdc_requests_total", "reason"): {reason.value for reason in Reason},
    ("routerdc_stage_seconds_bucket", "stage"): {"total", "queue", "score"},
    ("routerdc_stage_seconds_count", "stage"): {"total", "queue", "score"},
    ("routerdc_stage_seconds_bucket", "le"): {str(bound) for bound in metrics._SECONDS},
    ("nv_inference_request_failure", "reason"): {"CANCELED", "REJECTED", "BACKEND", "OTHER"},
    ("routerdc_bundle_info", "bundle_id"): set(),
    ("envoy_cluster_retry_upstream_rq", "envoy_response_code"): {str(status) for status in RETRIED},
}


def everywhere() -> list[str]:
    return [*(rule["expr"] for rule in rules()), *autoscaler_queries(), *dashboard_queries()]


@pytest.fixture(scope="module")
def queries() -> list[str]:
    found = everywhere()
    assert len(found) > 60
    return found


def test_metrics_and_labels_exist(queries: list[str]) -> None:
    known = KNOWN | OF_PROMETHEUS | {name: set[str]() for name in recorded()}
    for query in queries:
        asked = selectors(query)
        assert asked, query
        for selector in asked:
            assert selector.name in known, query
            assert selector.matchers.keys() <= known[selector.name] | TARGET_LABELS | {"le"}, query
        labels = {label for selector in asked for label in known[selector.name]}
        assert grouped_by(query) <= labels | TARGET_LABELS | {"le"}, query


def test_values_of_labels_exist(queries: list[str]) -> None:
    seen = set()
    for query in queries:
        for selector in selectors(query):
            for label, value in exact_values(selector):
                if label in TARGET_LABELS or label == "model":
                    continue
                assert value in VALUES[selector.name, label], query
                seen.add((selector.name, label))
    assert len(seen) > 8


def test_every_recorded_series_is_used_and_every_used_one_is_recorded(queries: list[str]) -> None:
    used = {selector.name for query in queries for selector in selectors(query) if ":" in selector.name}
    assert used == recorded()


def test_an_alert_says_how_bad_and_what() -> None:
    for rule in (rule for rule in rules() if "alert" in rule):
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert "for" in rule
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert named <= grouped_by(rule["expr"]), f"{rule['alert']}: the label is aggregated away"


def test_budgets_burn_as_fast_as_the_windows_say() -> None:
    """Share of the budget of 30 days used up in the long window: 2, 5, 10 and 10 per cent."""
    hours = {"1h": 1, "6h": 6, "1d": 24, "3d": 72}
    shares: dict[str, list[float]] = {}
    for rule in (rule for rule in rules() if rule.get("alert", "").endswith("BudgetBurn")):
        window = rule["labels"]["long_window"]
        (factor,) = set(re.findall(r"> ([\d.]+) \*", rule["expr"]))
        assert f"ratio_rate{window} >" in rule["expr"]
        shares.setdefault(rule["alert"], []).append(float(factor) * hours[window] / (30 * 24))
    assert len(shares) == 2
    for found in shares.values():
        assert found == pytest.approx([0.02, 0.05, 0.1, 0.1])
