"""The router on the cluster, once for all checks; and the page about them."""

import os
import shutil
import subprocess
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.cluster.support import manifests
from tests.cluster.support.kubectl import CLIENTS, LLMS, ROUTER, apply, kubectl, rolled_out
from tests.cluster.support.report import Report, Row

# The order in which they build upon each other.
ORDER = (
    *("objects", "admission", "routing", "network", "envoy_gateway", "monitoring", "autoscaling", "endpoints"),
    *("changes", "bundles", "load_job", "deletion", "chart"),
)
OURS = (ROUTER, CLIENTS, f"{CLIENTS}-stranger", LLMS, "routerdc-loadtest")
REPORT = Report()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    """Tests of other folders stay where they are, before ours."""
    return ORDER.index(item.path.stem.removeprefix("test_")) if item.path.parent == Path(__file__).parent else -1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" or (report.when == "setup" and not report.passed):
        what = (item.function.__doc__ or item.name).strip().removesuffix(".")  # type: ignore[attr-defined]
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
        seen = reason or "; ".join(f"{name}: {value}" for name, value in item.user_properties)
        REPORT.rows.append(Row(what, report.outcome, report.duration, seen))
    return report


def pytest_sessionfinish() -> None:
    if REPORT.rows and (file := os.environ.get("CLUSTER_REPORT")):
        REPORT.write(Path(file))


def reachable() -> bool:
    """Whether the kubeconfig names a cluster that answers."""
    if shutil.which("kubectl") is None:
        return False
    return subprocess.run(["kubectl", "get", "--raw", "/readyz"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session", autouse=True)
def cluster() -> None:
    """One that answers and has nothing of ours: the checks make it, and delete it.

    Anything else is nobody's to delete.
    """
    if not reachable():
        pytest.skip("no cluster: kubectl, and a kubeconfig whose cluster answers")
    found = kubectl("get", "namespace", *OURS, "--ignore-not-found", "--output=name").split()
    assert not found, (
        f"the cluster has {', '.join(found)} already; the checks make and delete them: use another cluster"
    )


@pytest.fixture(scope="session")
def namespace(cluster: None) -> Iterator[None]:
    """The router's, empty, with its rules and a quota. In the end everything goes that the checks made."""
    try:
        apply(manifests.namespace())
        apply(manifests.quota())
        yield
    finally:
        kubectl("delete", "namespace", *OURS, "--ignore-not-found", "--wait=false")
        kubectl("delete", "priorityclass", "routerdc-gateway", "routerdc-triton", "--ignore-not-found")


@pytest.fixture(scope="session")
def start_seconds(namespace: None) -> float:
    """The router and its callers; gives how long it took from the first object to the last ready pod."""
    began = time.monotonic()
    apply(manifests.callers())
    apply(manifests.router())
    rolled_out("routerdc-triton", "routerdc-gateway", "routerdc-envoy")
    took = time.monotonic() - began
    for space, name in ((CLIENTS, "client"), (f"{CLIENTS}-stranger", "client"), (LLMS, "llm")):
        kubectl("-n", space, "rollout", "status", f"deployment/{name}", "--timeout=300s", seconds=330)
    return took


@pytest.fixture(scope="session")
def router(start_seconds: float) -> None:
    """The router, ready."""
