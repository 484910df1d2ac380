"""What the API server and the scheduler make of the manifests."""

from collections.abc import Callable

import pytest

from tests.cluster.support.export_log import agreement
from tests.cluster.support.kubectl import ROUTER, get, items, kubectl, pods

APPS = ("routerdc-gateway", "routerdc-triton", "routerdc-envoy")
PROMISED_SECONDS = 900  # progressDeadlineSeconds of Triton


def test_pods_become_ready(start_seconds: float, record_property: Callable[[str, object], None]) -> None:
    """All pods are ready within the promised 15 minutes of an empty namespace."""
    record_property("took", f"{start_seconds:.0f} s")
    assert start_seconds < PROMISED_SECONDS
    restarts = {pod["metadata"]["name"]: _restarts(pod) for app in APPS for pod in pods(app)}
    assert set(restarts.values()) == {0}, restarts


def _restarts(pod: dict[str, dict[str, list[dict[str, int]]]]) -> int:
    return sum(status["restartCount"] for status in pod["status"]["containerStatuses"])


def test_pods_are_apart(router: None) -> None:
    """Pods of one deployment are on different nodes, where there are two."""
    if len(items("nodes")) < 2:
        pytest.skip("one node")
    for app in ("routerdc-gateway", "routerdc-triton"):
        assert len({pod["spec"]["nodeName"] for pod in pods(app)}) == 2, app


def test_a_quota_is_kept(router: None, record_property: Callable[[str, object], None]) -> None:
    """A ResourceQuota counts every container: all say what they may use."""
    status = get("resourcequota", "check", "-n", ROUTER)["status"]
    record_property("used", ", ".join(f"{name} {used}" for name, used in sorted(status["used"].items())))
    assert int(status["used"]["pods"]) == sum(len(pods(app)) for app in APPS)
    refused = [event for event in items("events", "-n", ROUTER) if event["reason"] == "FailedCreate"]
    assert not refused, [event["message"] for event in refused]


def test_files_belong_to_the_group(router: None) -> None:
    """fsGroup: the volume between exporter and Triton belongs to the pod's group."""
    code = "import os; print(os.stat('/models').st_gid, oct(os.stat('/models').st_mode & 0o2070))"
    said = kubectl("-n", ROUTER, "exec", "deployment/routerdc-triton", "-c", "triton", "--", "python", "-c", code)
    assert said.split() == ["10001", "0o2070"]


def test_system_calls_are_filtered(router: None) -> None:
    """seccomp: a filter is in force in every container."""
    code = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('Seccomp:')][0])"
    for name, container in (("routerdc-gateway", "gateway"), ("routerdc-triton", "triton")):
        said = kubectl("-n", ROUTER, "exec", f"deployment/{name}", "-c", container, "--", "python", "-c", code)
        assert said.strip() == "2", name


def test_the_export_proves_its_engine(router: None, record_property: Callable[[str, object], None]) -> None:
    """The init container compares the engine's answers with the trained router's."""
    told = kubectl("-n", ROUTER, "logs", "deployment/routerdc-triton", "-c", "export")
    queries, same = agreement(told)
    record_property("engine", f"same choice for {same} % of {queries} queries")
    assert same > 98, told
