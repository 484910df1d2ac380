"""Changes that every router sees: new pods in place of old ones, nodes that go."""

from collections.abc import Callable, Iterator

import pytest

from tests.cluster.support.kubectl import ROUTER, items, kubectl, pods, rolled_out, until
from tests.cluster.support.load import load

Record = Callable[[str, object], None]


@pytest.mark.parametrize("name", ["routerdc-gateway", "routerdc-triton"])
def test_a_rolling_change(router: None, name: str, record_property: Record) -> None:
    """Every pod is replaced under load."""
    before = {pod["metadata"]["name"] for pod in pods(name)}
    with load() as answers:
        kubectl("-n", ROUTER, "rollout", "restart", f"deployment/{name}")
        rolled_out(name)
    assert before.isdisjoint(pod["metadata"]["name"] for pod in pods(name))
    record_property(name, answers.all_scored())


@pytest.fixture
def node(router: None) -> Iterator[str]:
    """The node of a gateway, which takes pods again afterwards."""
    ready = [node for node in items("nodes") if not node["spec"].get("unschedulable")]
    if len(ready) < 2:
        pytest.skip("one node: pods of a drained one have nowhere to go")
    name = pods("routerdc-gateway")[0]["spec"]["nodeName"]
    yield name
    kubectl("uncordon", name)


def test_a_node_is_drained(node: str, record_property: Record) -> None:
    """A node is drained under load; the disruption budgets let one pod go at a time."""
    with load() as answers:
        selector = "app.kubernetes.io/name in (routerdc-gateway, routerdc-triton)"  # Envoy's answers have 5 minutes
        drain = ["--delete-emptydir-data", "--ignore-daemonsets", "--timeout=900s", f"--pod-selector={selector}"]
        kubectl("drain", node, *drain, seconds=930)
        rolled_out("routerdc-gateway", "routerdc-triton")
    apps = ("routerdc-gateway", "routerdc-triton")
    until(lambda: all(pod["spec"]["nodeName"] != node for app in apps for pod in pods(app)), "all pods moved")
    record_property("answers", answers.all_scored())
