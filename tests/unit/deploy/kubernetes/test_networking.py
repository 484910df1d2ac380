"""Who is reached by what: selectors meet pods, rules name ports that pods have, and only those who must may talk."""

from typing import Any

import pytest

from tests.support.rendered import (
    WHOLE,
    Object,
    container,
    named,
    needs_kubectl,
    of_kind,
    overlay,
    pod_labels,
    port_numbers,
    selected,
    with_components,
    workloads,
)

pytestmark = needs_kubectl
NAME = "app.kubernetes.io/name"
GATEWAY, TRITON = {NAME: "routerdc-gateway"}, {NAME: "routerdc-triton"}
WITH_ENVOY = "cpu+envoy"
whole = pytest.mark.parametrize("name", [*WHOLE, WITH_ENVOY])


def objects_of(name: str) -> tuple[Object, ...]:
    return with_components(*name.split("+")) if "+" in name else overlay(name)


def policies(objects: tuple[Object, ...], labels: dict[str, str]) -> list[Object]:
    """Those that hold for a pod with `labels`."""
    found = of_kind(objects, "NetworkPolicy")
    return [one for one in found if one["spec"]["podSelector"].get("matchLabels", {}).items() <= labels.items()]


def rules(objects: tuple[Object, ...], labels: dict[str, str], direction: str) -> list[dict[str, Any]]:
    return [rule for policy in policies(objects, labels) for rule in policy["spec"].get(direction, ())]


@whole
def test_services_budgets_and_spread_select_the_pods_that_they_are_for(name: str) -> None:
    objects = objects_of(name)
    for service in of_kind(objects, "Service"):
        (workload,) = selected(objects, service["spec"]["selector"])
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= port_numbers(workload).keys()
        for port in service["spec"]["ports"]:
            assert port["port"] == port_numbers(workload)[port["targetPort"]]
    budgets = of_kind(objects, "PodDisruptionBudget")
    assert len(budgets) == len(of_kind(objects, "Deployment"))
    for budget in budgets:
        (workload,) = selected(objects, budget["spec"]["selector"]["matchLabels"])
        assert workload["metadata"]["name"] == budget["metadata"]["name"]
    for workload in of_kind(objects, "Deployment"):
        assert selected(objects, workload["spec"]["selector"]["matchLabels"]) == [workload]


@whole
def test_what_is_not_allowed_is_refused(name: str) -> None:
    (closed,) = [one for one in of_kind(objects_of(name), "NetworkPolicy") if one["spec"]["podSelector"] == {}]
    assert set(closed["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert not {"ingress", "egress"} & closed["spec"].keys()


@whole
def test_policies_name_pods_and_ports_that_exist(name: str) -> None:
    objects = objects_of(name)
    for policy in of_kind(objects, "NetworkPolicy"):
        labels = policy["spec"]["podSelector"].get("matchLabels", {})
        targets = selected(objects, labels)
        assert targets, policy["metadata"]["name"]
        for rule in policy["spec"].get("ingress", ()):
            assert rule["from"]
            for port in rule["ports"]:
                assert all(port["port"] in port_numbers(target) for target in targets)
            for peer in rule["from"]:
                if "namespaceSelector" not in peer:
                    assert selected(objects, peer["podSelector"]["matchLabels"])
        for rule in policy["spec"].get("egress", ()):
            for peer in rule.get("to", ()):
                if "namespaceSelector" in peer or "ipBlock" in peer:
                    continue
                reached = selected(objects, peer["podSelector"]["matchLabels"])
                assert reached
                assert all(p["port"] in port_numbers(one).values() for p in rule["ports"] for one in reached)


@whole
def test_only_gateways_reach_triton_and_only_its_grpc(name: str) -> None:
    objects = objects_of(name)
    triton = named(objects, "Deployment", "routerdc-triton")
    inference = [
        rule for rule in rules(objects, pod_labels(triton), "ingress") if rule["ports"] != [{"port": "metrics"}]
    ]
    assert inference == [{"from": [{"podSelector": {"matchLabels": GATEWAY}}], "ports": [{"port": "grpc"}]}]
    allowed = [one for one in workloads(objects) if GATEWAY.items() <= pod_labels(one).items()]
    assert [one["metadata"]["name"] for one in allowed] == ["routerdc-gateway"]


@whole
@pytest.mark.parametrize("labels", [GATEWAY, TRITON], ids=["gateway", "triton"])
def test_metrics_are_for_the_monitoring_namespace_alone(name: str, labels: dict[str, str]) -> None:
    objects = objects_of(name)
    (rule,) = [rule for rule in rules(objects, labels, "ingress") if {"port": "metrics"} in rule["ports"]]
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert rule == {"from": [monitoring], "ports": [{"port": "metrics"}]}


@whole
def test_a_gateway_reaches_triton_and_name_servers_and_nothing_else(name: str) -> None:
    objects = objects_of(name)
    to_triton, to_names = rules(objects, GATEWAY, "egress")
    assert to_triton["to"] == [{"podSelector": {"matchLabels": TRITON}}]
    assert {(port["port"], port["protocol"]) for port in to_names["ports"]} == {(53, "UDP"), (53, "TCP")}
    assert to_names["to"][0]["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}


@whole
def test_triton_reaches_nothing(name: str) -> None:
    assert rules(objects_of(name), TRITON | {"app.kubernetes.io/instance": "serving"}, "egress") == []


def test_a_fetched_bundle_opens_https_and_names_for_triton_alone() -> None:
    objects = with_components("cpu", "bundle-object-storage")
    labels = pod_labels(named(objects, "Deployment", "routerdc-triton"))
    ports = {port["port"] for rule in rules(objects, labels, "egress") for port in rule["ports"]}
    assert ports == {443, 53}
    gateway = pod_labels(named(objects, "Deployment", "routerdc-gateway"))
    assert rules(objects, gateway, "egress") == rules(overlay("cpu"), gateway, "egress")


def test_the_candidate_is_under_the_same_rules_as_triton() -> None:
    candidate = pod_labels(named(overlay("candidate"), "Deployment", "routerdc-triton-candidate"))
    serving = pod_labels(named(overlay("cpu"), "Deployment", "routerdc-triton"))
    assert policies(overlay("cpu"), candidate) == policies(overlay("cpu"), serving)
    assert of_kind(overlay("candidate"), "NetworkPolicy") == []


def test_the_load_test_may_call_and_its_calls_are_let_in() -> None:
    load, router = overlay("loadtest"), overlay("cpu")
    (policy,) = of_kind(load, "NetworkPolicy")
    (call,) = [rule for rule in policy["spec"]["egress"] if rule["ports"] != [{"port": 53, "protocol": "UDP"}]][:1]
    (peer,) = call["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "routerdc"}
    (gateway,) = selected(router, peer["podSelector"]["matchLabels"])
    assert call["ports"] == [{"port": port_numbers(gateway)["grpc"]}]
    (namespace,) = of_kind(load, "Namespace")
    callers = rules(router, pod_labels(gateway), "ingress")[0]["from"][0]["namespaceSelector"]["matchLabels"]
    assert callers.items() <= namespace["metadata"]["labels"].items()
    assert container(named(load, "Job", "loadtest"), "locust")


def test_pod_monitors_scrape_every_pod_of_ours_where_it_tells_its_metrics() -> None:
    monitors = of_kind(overlay("monitoring"), "PodMonitor")
    scraped = set()
    for objects in (*map(overlay, WHOLE), (*overlay("cpu"), *overlay("candidate"))):
        for monitor in monitors:
            for workload in selected(objects, monitor["spec"]["selector"]["matchLabels"]):
                (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
                assert endpoint["port"] in port_numbers(workload)
                scraped.add(workload["metadata"]["name"])
    assert scraped == {"routerdc-gateway", "routerdc-triton", "routerdc-triton-candidate"}


def test_envoy_reaches_gateways_llms_and_names_and_is_let_in_by_gateways() -> None:
    objects = objects_of(WITH_ENVOY)
    envoy = pod_labels(named(objects, "Deployment", "routerdc-envoy"))
    to_gateway, to_llms, to_https, _ = rules(objects, envoy, "egress")
    (gateway,) = selected(objects, to_gateway["to"][0]["podSelector"]["matchLabels"])
    assert to_gateway["ports"] == [{"port": port_numbers(gateway)["ext-proc"]}]
    assert to_llms["to"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "llms"}
    assert to_https == {"ports": [{"port": 443}]}
    let_in = [
        rule["from"]
        for rule in rules(objects, pod_labels(gateway), "ingress")
        if rule["ports"] == [{"port": "ext-proc"}]
    ]
    assert let_in == [[{"podSelector": {"matchLabels": {NAME: "routerdc-envoy"}}}]]
