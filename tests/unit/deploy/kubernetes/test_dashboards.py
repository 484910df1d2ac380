"""Every Grafana dashboard: what it shows can be told apart, and the cluster gets it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.rendered import ROOT, named, needs_kubectl, of_kind, overlay

FILES = sorted((ROOT / "deploy" / "dashboards").glob("*.json"))


def panels(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["panels"]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_do_not_overlap_and_have_numbers_and_titles_of_their_own(file: Path) -> None:
    cells = [
        (x, y)
        for panel in panels(file)
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in panels(file)}) == len(panels(file))
    assert len({panel["title"] for panel in panels(file)}) == len(panels(file))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_legends_use_labels_that_queries_keep(file: Path) -> None:
    for panel in panels(file):
        for target in panel.get("targets", ()):
            kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept, panel["title"]


@needs_kubectl
def test_the_cluster_gets_every_dashboard_as_it_stands() -> None:
    objects = overlay("monitoring")
    assert len(of_kind(objects, "ConfigMap")) == len(FILES)
    for file in FILES:
        config = named(objects, "ConfigMap", f"routerdc-dashboard-{file.stem}")
        assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert json.loads(config["data"][file.name]) == json.loads(file.read_text(encoding="utf-8"))
