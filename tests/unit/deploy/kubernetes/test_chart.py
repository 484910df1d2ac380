"""The Helm chart renders what the overlays render; its values are documented, and wrong ones are refused."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.rendered import ROOT, VERSIONS, Object, beside, needs_kubectl, overlay, with_components
from tools.helm_readme import CHART, readme

needs_helm = pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
BUNDLE = "routerdc-bundle:40bd6ce0fcb57d60"
CANDIDATE = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../deploy/kubernetes/overlays/cpu, ../deploy/kubernetes/overlays/candidate]
components: [../deploy/kubernetes/components/shadow, ../deploy/kubernetes/components/bundle-image]
"""
MONITORED = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../deploy/kubernetes/overlays/cpu, ../deploy/kubernetes/overlays/monitoring]
"""
RESOURCES: Object = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "2", "memory": "3Gi"}}
SMALL = f"""
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../deploy/kubernetes/overlays/cpu]
patches:
  - target: {{kind: Deployment, name: routerdc-triton}}
    patch: |
      - {{op: replace, path: /spec/template/spec/containers/0/resources, value: {json.dumps(RESOURCES)}}}
      - {{op: replace, path: /spec/template/spec/initContainers/0/resources, value: {json.dumps(RESOURCES)}}}
"""


def helm(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["helm", *words], capture_output=True, text=True, check=False, timeout=60)


def chart(*values: str, source: Path = CHART) -> dict[tuple[str, str], Object]:
    flags = [f"--set-json={value}" for value in values]
    done = helm(
        "template", "routerdc", str(source), "--namespace=routerdc", "--no-hooks", "--kube-version=1.36", *flags
    )
    assert done.returncode == 0, done.stderr
    return comparable(tuple(one for one in yaml.safe_load_all(done.stdout) if one))


def comparable(objects: tuple[Object, ...]) -> dict[tuple[str, str], Object]:
    """By kind and name, without what each does in its own way: the namespace, how settings roll pods, spaces."""
    text = re.sub(r"routerdc-gateway-settings-\w{10}\b", "routerdc-gateway-settings", yaml.safe_dump_all(objects))
    found = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text)}
    found.pop(("Namespace", "routerdc"), None)
    found["Deployment", "routerdc-gateway"]["spec"]["template"]["metadata"].pop("annotations", None)
    files = found["ConfigMap", "routerdc-endpoints"]["data"]
    files["endpoints.yaml"] = yaml.safe_load(files["endpoints.yaml"])
    rules = (found[key]["spec"]["groups"] for key in found if key[0] == "PrometheusRule")
    for rule in (rule for groups in rules for group in groups for rule in group["rules"]):
        rule["expr"] = rule["expr"].split()  # kustomize adds empty lines
    return found


CASES: dict[str, tuple[Callable[[], tuple[Object, ...]], list[str]]] = {
    "cpu": (lambda: overlay("cpu"), []),
    "gpu": (lambda: overlay("gpu"), ['engine="tensorrt"']),
    "keys": (lambda: with_components("cpu", "api-keys"), ["apiKeys.enabled=true"]),
    "envoy": (lambda: with_components("cpu", "envoy"), ["envoy.enabled=true"]),
    "ipv6": (lambda: with_components("cpu", "ipv6"), ["ipv6=true"]),
    "autoscaling": (lambda: with_components("gpu", "autoscaling"), ['engine="tensorrt"', "autoscaling.enabled=true"]),
    "small": (
        lambda: beside(SMALL),
        [f"triton.{name}={json.dumps(RESOURCES)}" for name in ("resources", "exportResources")],
    ),
    "bundle": (lambda: with_components("cpu", "bundle-image"), [f'bundleImage="{BUNDLE}"']),
    "monitoring": (lambda: beside(MONITORED), ["monitoring.enabled=true"]),
    "candidate": (
        lambda: beside(CANDIDATE),
        [f'bundleImage="{BUNDLE}"', f'candidate.bundleImage="{BUNDLE}"', "candidate.shadowShare=0.1"],
    ),
}


@needs_kubectl
@needs_helm
@pytest.mark.parametrize("case", CASES)
def test_its_objects_are_the_overlays(case: str) -> None:
    expected, values = CASES[case]
    rendered, wanted = chart(*values), comparable(expected())
    assert set(rendered) == set(wanted)
    for key, one in wanted.items():
        assert rendered[key] == one, key


@needs_helm
def test_helm_finds_nothing_wrong() -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout


@needs_helm
def test_its_package_has_every_file_that_it_reads(tmp_path: Path) -> None:
    done = helm("package", str(CHART), f"--destination={tmp_path}")
    assert done.returncode == 0, done.stderr
    (package,) = tmp_path.glob("*.tgz")
    everything = (
        "envoy.enabled=true",
        "autoscaling.enabled=true",
        "monitoring.enabled=true",
        f'bundleImage="{BUNDLE}"',
    )
    for engine in ("onnxruntime", "tensorrt"):
        values = (f'engine="{engine}"', "apiKeys.enabled=true", *everything)
        assert chart(*values, source=package) == chart(*values)


@needs_helm
@pytest.mark.parametrize(
    "wrong",
    [
        'engine="gpu"',
        "triton.replica=2",
        'triton.exportResources="small"',
        'image.registry="registry.example.com"',
        'gateway.settings={"DEADLINE":1}',
        "candidate.shadowShare=1.5",
        'candidate.shadowShare="1.5"',
    ],
)
def test_a_wrong_value_is_refused(wrong: str) -> None:
    done = helm("template", "routerdc", str(CHART), "--kube-version=1.36", f"--set-json={wrong}")
    assert done.returncode
    assert "values don't meet the specifications of the schema" in done.stderr


@needs_helm
def test_a_registry_and_a_tag_are_those_of_every_image_of_ours() -> None:
    objects = chart('image.registry="registry.example.com/us/"', 'image.tag="7"')
    images = re.findall(r'"image": "([^"]+)"', json.dumps(list(objects.values())))
    assert set(images) == {
        f"registry.example.com/us/routerdc-{name}:7" for name in ("gateway", "triton-cpu", "exporter")
    }


@needs_helm
@pytest.mark.parametrize(("share", "shadows"), [("0.1", True), ('"0.1"', True), ("0", False), ('"0"', False)])
def test_a_share_may_be_a_string_as_set_makes_it(share: str, shadows: bool) -> None:
    objects = chart(f'candidate.bundleImage="{BUNDLE}"', f"candidate.shadowShare={share}")
    settings = objects["ConfigMap", "routerdc-gateway-settings"]["data"]
    assert settings.get("ROUTERDC_SHADOW_SHARE") == ("0.1" if shadows else None)


@needs_helm
def test_on_openshift_users_are_the_namespaces() -> None:
    text = json.dumps(list(chart("openshift=true").values()))
    assert "runAsNonRoot" in text
    assert not re.search('"(runAsUser|runAsGroup|fsGroup)"', text)


def test_every_value_is_in_the_schema_and_in_the_readme() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    assert _names(VALUES) == _names_of_schema(schema) - {"global"}
    assert (CHART / "README.md").read_text(encoding="utf-8") == readme(
        (CHART / "values.yaml").read_text(encoding="utf-8")
    ), "python -m tools.helm_readme"


def _names(values: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in values.items():
        found |= _names(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {prefix + name}
    return found


def _names_of_schema(schema: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, one in schema["properties"].items():
        found |= _names_of_schema(one, f"{prefix}{name}.") if "properties" in one else {prefix + name}
    return found


def test_nobody_is_told_to_ask_policies_for_a_log() -> None:
    """`helm test --logs` fails where an object of the test is no pod, though a query was routed."""
    hooks = (CHART / "templates/tests/route.yaml").read_text(encoding="utf-8")
    told = [(CHART / name).read_text(encoding="utf-8") for name in ("README.md", "templates/NOTES.txt")]
    assert "kind: NetworkPolicy" in hooks
    assert not [text for text in told if "--logs" in text]


def test_its_versions_are_the_projects() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert about["version"] == about["appVersion"] == VERSIONS["images"]["tag"]
    assert f">={VERSIONS['kubernetes'][0]}." in about["kubeVersion"]
    assert (ROOT / "deploy/kubernetes/base").samefile(CHART / "kubernetes/base")
