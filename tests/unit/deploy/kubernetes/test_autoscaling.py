"""The autoscalers have the numbers that the simulation of deploy/autoscaling was run with."""

import re
from typing import Any

import pytest

from gateway.config.settings import Settings
from loadtest.autoscaling import chosen
from tests.support.rendered import (
    Object,
    container,
    cores,
    named,
    needs_kubectl,
    of_kind,
    overlay,
    with_components,
)
from tests.support.series.promql import autoscaler_queries

pytestmark = needs_kubectl
CHOSEN = chosen.read()
TRITON, GATEWAY = CHOSEN["triton"], CHOSEN["gateway"]


def scaled(name: str) -> Object:
    spec: Object = named(with_components("cpu", "autoscaling"), "ScaledObject", name)["spec"]
    return spec


def trigger(name: str, kind: str) -> Any:
    (found,) = [one for one in scaled(name)["triggers"] if one.get("name") == kind]
    return found


def simulated(query: str) -> str:
    """A query without what tells our pods from others, as the simulation has it."""
    return re.sub(r'(namespace|triton)="\w+",', "", re.sub(r"\s+", " ", query)).strip()


def test_triton_is_scaled_as_simulated() -> None:
    spec = scaled("routerdc-triton")
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (TRITON["min_replicas"], TRITON["max_replicas"])
    assert spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == TRITON["behavior"]
    assert len(spec["triggers"]) == len(TRITON["triggers"])
    for kind, name, factor in (
        ("queries", "queries_per_second_per_core", TRITON["pod_cores"]),
        ("queue-time", "queue_ms_per_request", 1),
    ):
        ours, theirs = trigger("routerdc-triton", kind), TRITON["triggers"][name]
        assert float(ours["metadata"]["threshold"]) == theirs["target"] * factor
        assert ours["metricType"] == theirs["metric_type"]
        assert simulated(ours["metadata"]["query"]) == simulated(theirs["query"])


def test_triton_has_the_cores_and_metrics_are_as_fresh_as_simulated() -> None:
    deployment = named(overlay("cpu"), "Deployment", "routerdc-triton")
    resources = container(deployment, "triton")["resources"]
    assert cores(resources["requests"]["cpu"]) == cores(resources["limits"]["cpu"]) == TRITON["pod_cores"]
    assert deployment["spec"]["replicas"] == TRITON["min_replicas"]
    for monitor in of_kind(overlay("monitoring"), "PodMonitor"):
        assert monitor["spec"]["podMetricsEndpoints"][0]["interval"] == f"{TRITON['scrape_interval_seconds']}s"
    for query in autoscaler_queries():
        assert set(re.findall(r"\[(.*?)\]", query)) == {f"{TRITON['rate_window_seconds']}s"}


def test_the_gateway_is_scaled_on_cpu_and_queries_in_flight() -> None:
    spec = scaled("routerdc-gateway")
    assert spec["minReplicaCount"] == GATEWAY["min_replicas"]
    cpu, in_flight = spec["triggers"]
    assert (cpu["type"], cpu["metricType"]) == ("cpu", "Utilization")
    assert int(cpu["metadata"]["value"]) == GATEWAY["cpu_utilization_percent"]
    assert (in_flight["type"], in_flight["metricType"]) == ("prometheus", "AverageValue")
    assert int(in_flight["metadata"]["threshold"]) == GATEWAY["in_flight_per_pod"]
    # There is room for more pods long before queries are refused.
    assert GATEWAY["in_flight_per_pod"] <= Settings().limits.max_in_flight / 4


def test_gateways_ask_as_simulated() -> None:
    for name in ("triton_window", "max_triton_batch"):
        assert f"ROUTERDC_{name.upper()}" not in named(overlay("cpu"), "ConfigMap", settings_name())["data"]
        assert getattr(Settings().scoring, name) == GATEWAY[name]


def settings_name() -> str:
    gateway = container(named(overlay("cpu"), "Deployment", "routerdc-gateway"), "gateway")
    return str(gateway["envFrom"][0]["configMapRef"]["name"])


@pytest.mark.parametrize("name", ["routerdc-triton", "routerdc-gateway"])
def test_queries_count_pods_of_the_scaled_deployment_alone(name: str) -> None:
    objects = with_components("cpu", "autoscaling")
    deployment = named(objects, "Deployment", scaled(name)["scaleTargetRef"]["name"])
    for one in scaled(name)["triggers"]:
        query = one["metadata"].get("query", "")
        for selector in re.findall(r"{([^}]*)}", query):
            assert f'namespace="{deployment["metadata"]["namespace"]}"' in selector
    for query in autoscaler_queries():
        for metric, selector in re.findall(r"(\w+){([^}]*)}", query):
            assert ('triton="serving"' in selector) is metric.startswith("nv_")


def test_the_label_that_tells_candidates_apart_is_put_on_by_the_pod_monitor() -> None:
    monitor = named(overlay("monitoring"), "PodMonitor", "routerdc-triton")
    (relabeling,) = monitor["spec"]["podMetricsEndpoints"][0]["relabelings"]
    assert relabeling["targetLabel"] == "triton"
    assert relabeling["sourceLabels"] == ["__meta_kubernetes_pod_label_app_kubernetes_io_instance"]


def test_autoscalers_ask_the_namespace_that_may_scrape() -> None:
    for spec in of_kind(with_components("cpu", "autoscaling"), "ScaledObject"):
        addresses = {one["metadata"].get("serverAddress") for one in spec["spec"]["triggers"]} - {None}
        assert all(".monitoring.svc:" in address for address in addresses)
