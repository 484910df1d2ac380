"""What renders, and that every object is what the API servers of all supported versions take."""

import copy
import json
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.support.rendered import (
    COMPONENTS,
    KUBERNETES,
    NEIGHBOURS,
    OVERLAYS,
    VERSIONS,
    Object,
    containers,
    named,
    needs_kubectl,
    overlay,
    render,
    with_components,
    with_neighbour,
    workloads,
)

pytestmark = needs_kubectl
ADDONS = {addon["api"] for addon in VERSIONS["cluster_addons"].values()}
# Engines are part of the overlays; the shadow needs the candidate's address only.
ADDED = [name for name in COMPONENTS if not name.startswith("engine-")]


def is_builtin(one: Object) -> bool:
    return one["apiVersion"] not in ADDONS


def combinations() -> list[Any]:
    plain = [pytest.param(overlay, (name,), id=name) for name in OVERLAYS]
    plain += [pytest.param(with_neighbour, (name,), id=f"envoy-gateway+{name}") for name in NEIGHBOURS]
    return plain + [
        pytest.param(with_components, (base, added), id=f"{base}+{added}") for base in ("cpu", "gpu") for added in ADDED
    ]


@pytest.mark.parametrize("version", VERSIONS["kubernetes"])
def test_every_built_in_object_is_valid_in_every_supported_version(version: str) -> None:
    rendered = [make(*of) for make, of in (combination.values for combination in combinations())]
    distinct = {json.dumps(one): one for objects in rendered for one in objects if is_builtin(one)}
    assert len(distinct) > 20
    for one in distinct.values():
        kubernetes_validate.validate(one, version, strict=True)


def test_what_is_wrong_is_not_valid() -> None:
    deployment = copy.deepcopy(named(overlay("cpu"), "Deployment", "routerdc-gateway"))
    deployment["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(deployment, VERSIONS["kubernetes"][0], strict=True)


@pytest.mark.parametrize(("make", "of"), combinations())
def test_no_two_objects_are_the_same_and_each_has_a_namespace(make: Any, of: tuple[str, ...]) -> None:
    cluster_wide = {"Namespace", "PriorityClass", "GatewayClass"}
    seen = set()
    for one in make(*of):
        key = one["apiVersion"], one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]
        assert key not in seen
        seen.add(key)
        assert ("namespace" in one["metadata"]) is (one["kind"] not in cluster_wide), key


def test_api_versions_are_built_in_or_stand_in_versions_yaml() -> None:
    builtin = {"v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1", "scheduling.k8s.io/v1"}
    used = {one["apiVersion"] for name in OVERLAYS for one in overlay(name)}
    assert used == builtin | ADDONS


def test_images_are_ours_with_the_projects_version_or_pinned() -> None:
    ours, tag = set(VERSIONS["images"]["names"]), VERSIONS["images"]["tag"]
    objects = [*(overlay(name) for name in OVERLAYS), with_components("cpu", "bundle-object-storage")]
    used = {one["image"] for each in objects for workload in workloads(each) for one in containers(workload)}
    assert {image.partition(":")[0] for image in used} >= ours
    for image in used:
        name, _, its_tag = image.partition(":")
        if name in ours:
            assert its_tag in (tag, f"{tag}-tensorrt" if name == "routerdc-exporter" else tag), image
        else:
            assert its_tag not in ("", "latest"), image


def test_every_kustomization_is_rendered_by_a_test() -> None:
    folders = {path.parent for path in KUBERNETES.rglob("kustomization.yaml")}
    parts = {KUBERNETES / part for part in ("base/gateway", "base/triton", "overlays/envoy-gateway/routing")}
    known = {KUBERNETES / "overlays" / name for name in OVERLAYS} | {KUBERNETES / "components" / n for n in COMPONENTS}
    neighbours = {KUBERNETES / "overlays/envoy-gateway/neighbours" / name for name in NEIGHBOURS}
    assert folders == known | parts | neighbours | {KUBERNETES / "base"}
    engines = {line for name in OVERLAYS for line in _components(name)}
    assert {name for name in COMPONENTS if name.startswith("engine-")} <= engines


def _components(name: str) -> list[str]:
    content = yaml.safe_load((KUBERNETES / "overlays" / name / "kustomization.yaml").read_text(encoding="utf-8"))
    return [path.rpartition("/")[2] for path in content.get("components", ())]


def test_rendering_twice_gives_the_same() -> None:
    first = overlay("production")
    render.cache_clear()
    assert overlay("production") == first
