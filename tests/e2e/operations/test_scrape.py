"""What alerts, autoscalers and dashboards ask for is what the running gateway and the running Triton tell.

What they ask of Envoy is held against one that retries (tests/e2e/openai/test_openai_retries.py).
"""

import re
from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from routerdc_client import RouterClient
from routerdc_contract.tensors import ROUTER_MODEL
from tests.e2e.conftest import Stack
from tests.support.rendered import needs_kubectl
from tests.support.series.envoy import ENVOY_SERIES
from tests.support.series.gateway import series
from tests.support.series.promql import autoscaler_queries, dashboard_queries, rules, selectors
from tests.support.series.triton import TRITON_SERIES

pytestmark = needs_kubectl
# There is one of each of these only once something has happened that a healthy stack does not do.
AFTER_AN_EVENT = {
    "routerdc_fallbacks_total",
    "routerdc_errors_total",
    "routerdc_openai_refused_total",
    "routerdc_caller_queries_total",
    "routerdc_shadow_queries_total",
    "routerdc_decision_log_dropped_total",
    "routerdc_endpoint_outcomes_total",
    "routerdc_endpoint_ejections_total",
    "routerdc_endpoint_latency_seconds_bucket",
    "routerdc_openai_requests_total",
    "routerdc_reloads_total",
}


def scrape(address: str) -> Iterator[tuple[str, dict[str, str], float]]:
    with urlopen(f"http://{address}/metrics") as page:
        text = page.read().decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            # The parser gives counters the suffix that Triton leaves out; Prometheus does not.
            there = re.search(rf"^{sample.name}[{{ ]", text, re.MULTILINE)
            yield sample.name if there else sample.name.removesuffix("_total"), sample.labels, sample.value


@pytest.fixture
def told(stack: Stack, client: RouterClient) -> dict[str, list[dict[str, str]]]:
    """Labels of every series of both services, after some queries."""
    for number in range(3):
        client.route(f"How many legs have {number} spiders?")
    found: dict[str, list[dict[str, str]]] = {}
    for address in (stack.service.gateway_metrics_address, stack.service.triton.metrics_address):
        for name, labels, _ in scrape(address):
            found.setdefault(name, []).append(labels)
    return found


def test_what_is_asked_for_is_told(told: dict[str, list[dict[str, str]]]) -> None:
    queries = [*(rule["expr"] for rule in rules()), *autoscaler_queries(), *dashboard_queries()]
    asked = {selector.name for query in queries for selector in selectors(query) if ":" not in selector.name}
    assert asked - told.keys() - ENVOY_SERIES.keys() - {"up"} <= AFTER_AN_EVENT
    assert series().keys() >= AFTER_AN_EVENT


def test_triton_tells_what_unit_tests_take_for_granted(told: dict[str, list[dict[str, str]]]) -> None:
    for name, labels in TRITON_SERIES.items():
        of_ours = [each for each in told[name] if each["model"] == ROUTER_MODEL]
        assert of_ours, name
        assert all(each.keys() == labels for each in of_ours), (name, of_ours)


def test_the_latency_goal_is_a_bucket(told: dict[str, list[dict[str, str]]]) -> None:
    bounds = {each["le"] for each in told["routerdc_stage_seconds_bucket"]}
    asked = {m["le"][1] for rule in rules() for name, m in selectors(rule["expr"]) if "le" in m}
    assert asked
    assert asked <= bounds


def test_queue_time_per_request_is_what_the_autoscaler_computes(stack: Stack, client: RouterClient) -> None:
    """Both counters count the same requests: of the model that answers, not of its parts."""

    def counters() -> tuple[float, float]:
        told = {
            (name, labels.get("model")): value for name, labels, value in scrape(stack.service.triton.metrics_address)
        }
        names = ("nv_inference_queue_duration_us", "nv_inference_request_success")
        queue, requests = (told[name, ROUTER_MODEL] for name in names)
        return queue, requests

    before = counters()
    for number in range(5):
        client.route(f"Which is the {number}. planet?")
    after = counters()
    assert after[1] - before[1] == 5
    assert after[0] > before[0]
