"""What was applied is deleted."""

from tests.cluster.support import manifests
from tests.cluster.support.kubectl import ROUTER, kubectl, left_in_the_cluster

SECONDS = 240
"""Less than Envoy's grace (310 s), which a container that does not heed SIGTERM uses up."""


def test_nothing_stays(router: None) -> None:
    """`kubectl delete` of the overlay leaves nothing behind, neither in the namespace nor in the cluster."""
    kubectl("delete", "--filename=-", "--wait", f"--timeout={SECONDS}s", text=manifests.router(), seconds=SECONDS + 30)
    assert not left_in_the_cluster()
    assert not kubectl("get", "namespace", ROUTER, "--ignore-not-found")
