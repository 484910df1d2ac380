"""Custom resources against the API types of their projects, which `make check-kubernetes` fetches from npm."""

import copy
import json
import shutil
import subprocess

import pytest

from tests.support.rendered import (
    NEIGHBOURS,
    OVERLAYS,
    ROOT,
    VERSIONS,
    Object,
    named,
    needs_kubectl,
    overlay,
    with_components,
    with_neighbour,
)

FETCHED = ROOT / ".cache" / "kubernetes"
pytestmark = [
    needs_kubectl,
    pytest.mark.skipif(
        not (FETCHED / "node_modules").is_dir() or shutil.which("node") is None,
        reason="the types of custom resources are not there: make check-kubernetes",
    ),
]
APIS = {addon["api"] for addon in VERSIONS["cluster_addons"].values()}


def check(*objects: Object) -> tuple[int, str]:
    command = ["node", str(ROOT / "deploy/kubernetes/custom-resources/check.mjs"), str(FETCHED)]
    text = json.dumps(objects)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=120)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def test_every_custom_resource_is_what_its_project_takes() -> None:
    rendered = [*map(overlay, OVERLAYS), with_components("cpu", "autoscaling"), *map(with_neighbour, NEIGHBOURS)]
    ours = {json.dumps(one): one for objects in rendered for one in objects if one["apiVersion"] in APIS}
    assert {one["apiVersion"] for one in ours.values()} == APIS
    status, told = check(*ours.values())
    assert (status, told) == (0, f"{len(ours)} objects checked, 0 problems\n")


@pytest.mark.parametrize(
    ("kind", "name", "wrong"),
    [
        ("ScaledObject", "routerdc-triton", {"pollinginterval": 5}),
        ("PodMonitor", "routerdc-triton", {"podMetricsEndpoint": []}),
        ("Gateway", "routerdc", {"gatewayClassName": 7}),
        ("EnvoyExtensionPolicy", "routerdc", {"extProc": [{"messageTimeout": "soon"}]}),
    ],
)
def test_what_is_wrong_is_found(kind: str, name: str, wrong: Object) -> None:
    one = copy.deepcopy(named(overlay("production"), kind, name))
    one["spec"] |= wrong
    status, told = check(one)
    assert status == 1, told
    assert told.startswith(f"{kind} {name}")
