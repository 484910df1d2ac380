"""The load test as it is applied."""

from collections.abc import Callable

from tests.cluster.support import manifests
from tests.cluster.support.kubectl import apply, get, kubectl, until

NAMESPACE = "routerdc-loadtest"


def test_the_job_succeeds(router: None, record_property: Callable[[str, object], None]) -> None:
    """The load test's Job runs in its own namespace, and no query of it fails."""
    apply(manifests.load_test())
    until(lambda: get("job", "loadtest", "-n", NAMESPACE)["status"].get("conditions"), "the Job is over", 600)
    told = kubectl("-n", NAMESPACE, "logs", "job/loadtest")
    assert get("job", "loadtest", "-n", NAMESPACE)["status"].get("succeeded") == 1, told
    total = next(line for line in told.splitlines() if line.strip().startswith("Aggregated"))
    record_property("total", " ".join(total.replace("|", " ").split()[:3]))
    kubectl("delete", "--filename=-", text=manifests.load_test())
