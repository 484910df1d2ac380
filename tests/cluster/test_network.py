"""Network rules, where the cluster enforces them."""

import pytest

from tests.cluster.support.kubectl import CLIENTS, ROUTER, pods, run_in_pod

STRANGER = f"{CLIENTS}-stranger"


@pytest.fixture(scope="module")
def enforced(router: None) -> None:
    """A stranger who is let in proves that the cluster enforces nothing."""
    if run_in_pod("connect", f"routerdc-gateway.{ROUTER}", "50051", namespace=STRANGER).strip() == "open":
        pytest.skip("this cluster's network does not enforce NetworkPolicies")


def test_strangers_do_not_reach_gateways(enforced: None) -> None:
    """Pods of a namespace without the label do not reach gateway or Envoy."""
    for service, port in (("routerdc-gateway", "50051"), ("routerdc-gateway", "50052"), ("routerdc-openai", "10000")):
        said = run_in_pod("connect", f"{service}.{ROUTER}", port, namespace=STRANGER)
        assert said.startswith("closed"), service


def test_clients_reach_what_is_for_them_alone(enforced: None) -> None:
    """Callers reach the gateway's gRPC and Envoy; not ext_proc, metrics, or Triton."""
    gateway, triton = (pods(app)[0]["status"]["podIP"] for app in ("routerdc-gateway", "routerdc-triton"))
    assert run_in_pod("connect", gateway, "50051").strip() == "open"
    for host, port in ((gateway, "50052"), (gateway, "9464"), (triton, "8001"), (triton, "8000"), (triton, "8002")):
        assert run_in_pod("connect", host, port).startswith("closed"), port


def test_gateways_reach_only_tritons(enforced: None) -> None:
    """A gateway opens no connection but to Triton and name servers."""
    triton, envoy = (pods(app)[0]["status"]["podIP"] for app in ("routerdc-triton", "routerdc-envoy"))
    gateway = {"namespace": ROUTER, "target": "deployment/routerdc-gateway"}
    assert run_in_pod("connect", triton, "8001", **gateway).strip() == "open"
    assert run_in_pod("connect", triton, "8000", **gateway).startswith("closed")
    assert run_in_pod("connect", envoy, "10000", **gateway).startswith("closed")
    assert run_in_pod("connect", "kubernetes.default", "443", **gateway).startswith("closed")
