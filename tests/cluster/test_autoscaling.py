"""Autoscalers, where the cluster has what they ask."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.support import manifests
from tests.cluster.support.kubectl import ROUTER, apply, get, kubectl, pods, rolled_out, until
from tests.cluster.support.load import load

Record = Callable[[str, object], None]


def serves(api: str) -> bool:
    """Whether the cluster has an aggregated API that answers."""
    found = kubectl("get", "apiservice", api, "--ignore-not-found", "--output=json")
    return bool(found) and _true(json.loads(found), "Available")


def _true(one: dict[str, dict[str, list[dict[str, str]]]], condition: str) -> bool:
    conditions = one.get("status", {}).get("conditions", [])
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)


@pytest.fixture
def by_cpu(router: None) -> Iterator[None]:
    if not serves("v1beta1.metrics.k8s.io"):
        pytest.skip("no metrics server")
    apply(manifests.by_cpu())
    yield
    kubectl("delete", "--filename=-", text=manifests.by_cpu())
    apply(manifests.router())
    rolled_out("routerdc-gateway")


def test_gateways_by_cpu(by_cpu: None, record_property: Record) -> None:
    """The metrics server's CPU brings a third gateway under load, which goes again, without a failed query."""
    scaler = "routerdc-gateway-check"
    until(lambda: _true(get("hpa", scaler, "-n", ROUTER), "ScalingActive"), "CPU is measured", 180)
    with load(callers=4) as few:
        with load(callers=24) as many:
            until(lambda: len(pods("routerdc-gateway")) == 3, "a third gateway is started", 300)
            rolled_out("routerdc-gateway")
        kubectl("patch", "hpa", scaler, "-n", ROUTER, "--patch", json.dumps({"spec": {"maxReplicas": 2}}))
        until(lambda: len(pods("routerdc-gateway")) == 2, "the third gateway has gone", 300)
    record_property("under much", many.all_scored())
    record_property("under little", few.all_scored())


@pytest.fixture
def by_keda(router: None) -> Iterator[None]:
    if not serves("v1beta1.external.metrics.k8s.io"):
        pytest.skip("no KEDA")
    apply(manifests.monitoring())
    apply(manifests.router("autoscaling"))
    yield
    kubectl("delete", "scaledobject", "--all", "-n", ROUTER)
    kubectl("delete", "--filename=-", text=manifests.monitoring())
    apply(manifests.router())
    rolled_out("routerdc-gateway", "routerdc-triton")


def test_by_keda(by_keda: None, record_property: Record) -> None:
    """KEDA asks Prometheus what the component says, and keeps the least number of Tritons."""
    with load() as answers:
        for name in ("routerdc-triton", "routerdc-gateway"):
            until(lambda name=name: _true(get("scaledobject", name, "-n", ROUTER), "Ready"), name, 180)  # type: ignore[misc]
            scaler = f"keda-hpa-{name}"
            until(lambda name=scaler: _true(get("hpa", name, "-n", ROUTER), "ScalingActive"), scaler, 180)  # type: ignore[misc]
        until(lambda: len(pods("routerdc-triton")) == 3, "three Tritons, the least", 180)
    record_property("answers", answers.all_scored())
