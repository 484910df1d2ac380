"""What was applied is deleted."""

from tests.cluster.support import manifests
from tests.cluster.support.kubectl import ROUTER, kubectl, left_in_the_cluster


def test_nothing_stays(router: None) -> None:
    """`kubectl delete` of the overlay leaves nothing behind, neither in the namespace nor in the cluster."""
    kubectl("delete", "--filename=-", "--wait", "--timeout=900s", text=manifests.router(), seconds=930)
    assert not left_in_the_cluster()
    assert not kubectl("get", "namespace", ROUTER, "--ignore-not-found")
