"""What the README tells people to write renders, and says what it should."""

import re

import pytest
import yaml

from tests.support.rendered import (
    KUBERNETES,
    beside,
    named,
    needs_kubectl,
    of_kind,
    pod,
    with_components,
)
from tests.support.series.promql import autoscaler_queries, selectors

pytestmark = needs_kubectl
TEXT = (KUBERNETES / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
OVERLAYS = [block for block in BLOCKS if "kind: Kustomization" in block]


def test_an_overlay_of_ones_own() -> None:
    objects = beside(OVERLAYS[0])
    (settings,) = [one for one in of_kind(objects, "ConfigMap") if "gateway-settings" in one["metadata"]["name"]]
    assert settings["data"]["ROUTERDC_DEADLINE_MS"] == "100"
    assert settings["data"]["ROUTERDC_HOST"] == "::"
    gateway = pod(named(objects, "Deployment", "routerdc-gateway"))["containers"][0]
    assert gateway["image"] == "registry.example.com/routerdc-gateway:0.1.0"
    assert of_kind(objects, "ScaledObject")
    assert of_kind(objects, "PrometheusRule")


@pytest.mark.parametrize(("block", "deployment"), [(1, "routerdc-triton"), (2, "routerdc-triton-candidate")])
def test_a_bundle_is_named(block: int, deployment: str) -> None:
    volumes = pod(named(beside(OVERLAYS[block]), "Deployment", deployment))["volumes"]
    (image,) = [volume["image"] for volume in volumes if volume["name"] == "bundle"]
    assert image["reference"].startswith("registry.example.com/routerdc-bundle:")
    assert image["pullPolicy"] == "IfNotPresent"


def test_prometheus_adapter_is_told_what_keda_is() -> None:
    (values, hpa) = next(list(yaml.safe_load_all(block)) for block in BLOCKS if "HorizontalPodAutoscaler" in block)
    asked = {selector.name for rule in values["rules"]["external"] for selector in selectors(rule["metricsQuery"])}
    assert asked == {selector.name for query in autoscaler_queries()[1:] for selector in selectors(query)}
    offered = {rule["name"]["as"] for rule in values["rules"]["external"]}
    assert offered == {metric["external"]["metric"]["name"] for metric in hpa["spec"]["metrics"]}
    keda = named(with_components("cpu", "autoscaling"), "ScaledObject", "routerdc-triton")["spec"]
    thresholds = [trigger["metadata"]["threshold"] for trigger in keda["triggers"]]
    targets = [metric["external"]["target"] for metric in hpa["spec"]["metrics"]]
    assert [target.get("averageValue") or target["value"] for target in targets] == thresholds
    assert (hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"]) == (
        keda["minReplicaCount"],
        keda["maxReplicaCount"],
    )


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", TEXT):
        assert (KUBERNETES / target).resolve().exists(), target


def test_every_folder_and_component_is_explained() -> None:
    for folder in (*KUBERNETES.glob("overlays/*/"), KUBERNETES / "base", KUBERNETES / "custom-resources"):
        assert f"{folder.name}/" in TEXT, folder
    for component in KUBERNETES.glob("components/*/"):
        assert component.name in TEXT or component.name.startswith("engine-"), component
