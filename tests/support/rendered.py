"""The manifests as `kubectl kustomize` renders them, and what tests ask of them. Nothing here needs a cluster."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
VERSIONS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "versions.yaml").read_text(encoding="utf-8"))
OVERLAYS = sorted(path.parent.name for path in KUBERNETES.glob("overlays/*/kustomization.yaml"))
COMPONENTS = sorted(path.parent.name for path in KUBERNETES.glob("components/*/kustomization.yaml"))
NEIGHBOURS = sorted(p.parent.name for p in KUBERNETES.glob("overlays/envoy-gateway/neighbours/*/kustomization.yaml"))
WHOLE = ("cpu", "gpu", "production")  # overlays that run the router, not only add to it

Object = dict[str, Any]

needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl, which has kustomize built in, is not installed"
)


@cache
def render(folder: Path) -> tuple[Object, ...]:
    """The objects of a kustomization."""
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower(), done.stderr
    return tuple(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))


def overlay(name: str) -> tuple[Object, ...]:
    """The objects of one of our overlays."""
    return render(KUBERNETES / "overlays" / name)


@cache
def with_components(base: str, *components: str) -> tuple[Object, ...]:
    """The objects of an overlay of a user who takes our overlay `base` and `components`."""
    overlay_of_the_users = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"../deploy/kubernetes/overlays/{base}"],
        "components": [f"../deploy/kubernetes/components/{component}" for component in components],
    }
    return beside(yaml.safe_dump(overlay_of_the_users))


@cache
def with_neighbour(name: str) -> tuple[Object, ...]:
    """The objects of an overlay of a user who takes Envoy Gateway's, and beside it the component for a neighbour."""
    folder = "../deploy/kubernetes/overlays/envoy-gateway"
    return beside(
        yaml.safe_dump(
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": [folder],
                "components": [f"{folder}/neighbours/{name}"],
            }
        )
    )


@cache
def beside(kustomization: str) -> tuple[Object, ...]:
    """The objects of a user's `kustomization`, in a folder beside ours in a checkout."""
    with TemporaryDirectory(prefix="routerdc-overlay-") as name:
        checkout = Path(name)
        for part in ("kubernetes", "dashboards"):
            shutil.copytree(ROOT / "deploy" / part, checkout / "deploy" / part)
        (checkout / "mine").mkdir()
        (checkout / "mine" / "kustomization.yaml").write_text(kustomization, encoding="utf-8")
        return render(checkout / "mine")


def of_kind(objects: tuple[Object, ...], *kinds: str) -> list[Object]:
    return [one for one in objects if one["kind"] in kinds]


def named(objects: tuple[Object, ...], kind: str, name: str) -> Object:
    (found,) = [one for one in of_kind(objects, kind) if one["metadata"]["name"] == name]
    return found


def workloads(objects: tuple[Object, ...]) -> list[Object]:
    return of_kind(objects, "Deployment", "Job")


def pod(workload: Object) -> Object:
    """The pod's specification."""
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def pod_labels(workload: Object) -> dict[str, str]:
    labels: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return labels


def containers(workload: Object) -> Iterator[Object]:
    """All of them, those that run first included."""
    yield from pod(workload).get("initContainers", ())
    yield from pod(workload)["containers"]


def container(workload: Object, name: str) -> Object:
    (found,) = [one for one in containers(workload) if one["name"] == name]
    return found


def port_numbers(workload: Object) -> dict[str, int]:
    """Named ports of a pod."""
    return {port["name"]: port["containerPort"] for one in containers(workload) for port in one.get("ports", ())}


def selected(objects: tuple[Object, ...], labels: Mapping[str, str]) -> list[Object]:
    """Workloads whose pods have all of `labels`."""
    return [one for one in workloads(objects) if labels.items() <= pod_labels(one).items()]


def environment(objects: tuple[Object, ...], one: Object) -> dict[str, str | None]:
    """Environment variables of a container; None where the value is not in the manifests."""
    found: dict[str, str | None] = {}
    for source in one.get("envFrom", ()):
        if "configMapRef" in source:
            found |= named(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
    return found | {variable["name"]: variable.get("value") for variable in one.get("env", ())}


def arguments(objects: tuple[Object, ...], one: Object) -> list[str]:
    """Of a container, as the kubelet passes them on."""
    values = environment(objects, one)
    return [re.sub(r"\$\((\w+)\)", lambda found: str(values[found[1]]), argument) for argument in one.get("args", ())]


def byte_count(quantity: str) -> int:
    """A quantity of memory as Kubernetes writes it."""
    units = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    return int(quantity[:-2]) * units[quantity[-2:]] if quantity[-2:] in units else int(quantity)


def cores(quantity: str) -> float:
    """A quantity of CPU as Kubernetes writes it."""
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)
