"""The guide names the versions that the manifests were made for."""

import yaml

from tests.unit.docs.pages import ROOT

VERSIONS = yaml.safe_load((ROOT / "deploy/versions.yaml").read_text(encoding="utf-8"))
GUIDE = (ROOT / "docs/how-to/kubernetes.md").read_text(encoding="utf-8")


def test_the_guide_names_the_add_ons_releases() -> None:
    missing = [name for name, addon in VERSIONS["cluster_addons"].items() if addon["release"] not in GUIDE]
    assert missing == []


def test_the_guide_names_the_versions_of_kubernetes() -> None:
    assert [version for version in VERSIONS["kubernetes"] if version not in GUIDE] == []


def test_the_guide_has_every_overlay() -> None:
    overlays = {path.name for path in (ROOT / "deploy/kubernetes/overlays").iterdir() if path.is_dir()}
    assert {name for name in overlays if f"`{name}`" not in GUIDE} == set()
