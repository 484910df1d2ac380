"""The last check: what was applied is deleted."""

from tests.cluster import manifests
from tests.cluster.kubectl import ROUTER, kubectl

CLUSTER_WIDE = "namespaces,priorityclasses,clusterroles,clusterrolebindings,persistentvolumes"


def test_nothing_stays(router: None) -> None:
    """`kubectl delete` of the overlay leaves nothing behind, neither in the namespace nor in the cluster."""
    kubectl("delete", "--filename=-", "--wait", "--timeout=900s", text=manifests.router(), seconds=930)
    left = kubectl("get", CLUSTER_WIDE, "--output=name", "--selector=app.kubernetes.io/part-of=routerdc").split()
    assert not left
    assert not kubectl("get", "namespace", ROUTER, "--ignore-not-found")
