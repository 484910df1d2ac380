"""Scraping and rules, where the Prometheus operator runs a Prometheus in the namespace `monitoring`."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.support import manifests
from tests.cluster.support.kubectl import ROUTER, apply, kubectl, pods, until
from tests.cluster.support.load import load

APPS = ("routerdc-gateway", "routerdc-triton", "routerdc-envoy")
PROXY = "/api/v1/namespaces/monitoring/services/prometheus-operated:9090/proxy/api/v1"


def prometheus(path: str) -> dict[str, Any]:
    """An answer of its API."""
    return dict(json.loads(kubectl("get", "--raw", f"{PROXY}/{path}"))["data"])


@pytest.fixture(scope="module")
def monitored(router: None) -> Iterator[None]:
    """The overlay, beside the router."""
    if not kubectl("get", "service", "prometheus-operated", "-n", "monitoring", check=False):
        pytest.skip("no Prometheus operator with a Prometheus in the namespace `monitoring`")
    apply(manifests.monitoring())
    yield
    kubectl("delete", "--filename=-", text=manifests.monitoring())


def scraped() -> dict[str, str]:
    """The pods of ours that are scraped, with their health."""
    targets = prometheus("targets?state=active")["activeTargets"]
    labels = [(target["labels"], target["health"]) for target in targets]
    return {label["pod"]: health for label, health in labels if label.get("namespace") == ROUTER}


def test_every_pod_is_scraped(monitored: None, record_property: Callable[[str, object], None]) -> None:
    """Prometheus scrapes every pod of gateway, Triton and Envoy, and no other."""
    expected = {pod["metadata"]["name"]: "up" for app in APPS for pod in pods(app)}
    until(lambda: scraped() == expected, "every pod is scraped", 240)
    record_property("targets", len(expected))


def rules() -> list[dict[str, Any]]:
    """Ours, alerts and service levels."""
    groups = prometheus("rules")["groups"]
    return [rule for group in groups if f"{ROUTER}-" in group["file"] for rule in group["rules"]]


def test_every_rule_is_evaluated(monitored: None, record_property: Callable[[str, object], None]) -> None:
    """Every rule is evaluated without an error under load, and no alert fires but that of latency on a busy machine."""
    with load() as answers:
        until(lambda: rules() and all(rule["health"] == "ok" for rule in rules()), "every rule is evaluated", 240)
    found = rules()
    firing = {rule["name"] for rule in found if rule.get("state") == "firing"}
    assert firing <= {"RouterdcLatencyBudgetBurn"}
    record_property("rules", len(found))
    record_property("answers", answers.all_scored())


def test_series_have_their_labels(monitored: None) -> None:
    """What the autoscaler's and the service levels' queries read is there: decisions, and Triton's queue by model."""
    for series in ('routerdc_requests_total{namespace="routerdc"}', 'nv_inference_request_success{triton="serving"}'):
        query = series.replace("{", "%7B").replace("}", "%7D").replace('"', "%22")
        until(lambda query=query: prometheus(f"query?query={query}")["result"], series, 60)  # type: ignore[misc]
