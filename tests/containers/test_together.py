"""Exporter, Triton, gateway and load test as their manifests say: confined, limited, on a network with names."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.containers.pods import Cluster, Conditions, cluster
from tests.support.container_engine import Container, engine, image, inspect
from tests.support.rendered import needs_kubectl, overlay, with_components

pytestmark = [
    pytest.mark.skipif(engine() is None, reason="no container engine: podman, or CONTAINER_ENGINE=docker"),
    needs_kubectl,
]
CONDITIONS = {
    "as they stand": Conditions(),
    # A namespace's range on OpenShift, which replaces user and fsGroup; the group is root's.
    "a user of OpenShift's choice": Conditions(user=1000680000, group=0, fs_group=1000680000),
    "IPv6 alone": Conditions(network=("--ipv6", "--subnet=fd00:7a0c::/64"), loopback="[::1]"),
}
COMPONENTS = {"IPv6 alone": ("ipv6",)}
QUERY = "Which planet has the most moons?"


@dataclass(frozen=True)
class Router:
    cluster: Cluster
    export: Container
    triton: Container
    gateway: Container


@pytest.fixture(scope="module", params=CONDITIONS)
def router(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    objects, conditions = with_components("cpu", *COMPONENTS.get(request.param, ())), CONDITIONS[request.param]
    with cluster(conditions, tmp_path_factory.mktemp("cluster")) as made:
        export = made.run(objects, "routerdc-triton", "export")
        assert export.wait() == 0, export.log()
        triton = made.run(objects, "routerdc-triton", "triton")
        triton.wait_ready(*health("triton-cpu", conditions.loopback))
        gateway = made.run(objects, "routerdc-gateway", "gateway")
        gateway.wait_ready(*health("gateway", conditions.loopback))
        yield Router(made, export, triton, gateway)


def health(name: str, loopback: str) -> list[str]:
    """The image's HEALTHCHECK, of the server at `loopback`."""
    known = inspect(image(name))
    found = known.get("Healthcheck") or known["Config"].get("Healthcheck")  # podman's place, docker's place
    assert found, f"{image(name)} has no HEALTHCHECK: build it in docker's format, as make images does"
    _, *command = found["Test"]
    return [str(word).replace("localhost", loopback) for word in command]


def test_a_query_is_routed_from_another_container(router: Router) -> None:
    address = "--address=dns:///routerdc-gateway:50051"
    said = router.cluster.once("gateway", "routerdc", "route", QUERY, address, "--deadline-ms=20000")
    assert "fallback" not in said.lower(), said
    assert "routed: highest score" in said


def test_the_load_test_runs(router: Router) -> None:
    changes = {"users": "2", "spawn_rate": "2", "run_time": "5s", "stop_timeout": "5"}
    job = router.cluster.run(overlay("loadtest"), "loadtest", "locust", kind="Job", **changes)
    assert job.wait() == 0, job.log()


def test_services_end_well_at_sigterm(router: Router) -> None:
    """The last one: nothing is routed afterwards."""
    assert router.gateway.stop() == 0, router.gateway.log()[-2000:]
    assert router.triton.stop() == 0, router.triton.log()[-2000:]
