"""Every query of the Grafana dashboard is held against the metrics that the gateway really has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.telemetry.metrics import Metrics
from tests.support.series.gateway import series

DASHBOARD = json.loads((Path(__file__).parents[4] / "deploy/dashboards/gateway.json").read_text(encoding="utf-8"))
OF_PROMETHEUS = {"job", "instance", "le"}
SERIES = series()


def expressions() -> list[str]:
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    return panels + [v["query"] for v in DASHBOARD["templating"]["list"] if v["type"] == "query"]


def used_labels(expression: str) -> set[str]:
    matched = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression)
    grouped = [name for names in re.findall(r"by \(([^)]*)\)", expression) for name in re.split(r",\s*", names)]
    return {*matched, *grouped}


@pytest.mark.parametrize("expression", expressions())
def test_a_query_asks_for_metrics_and_labels_that_exist(expression: str) -> None:
    asked = set(re.findall(r"routerdc_\w+", expression))
    assert asked
    assert asked <= set(SERIES)
    assert used_labels(expression) <= OF_PROMETHEUS.union(*(SERIES[name] for name in asked))
    assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize("panel", [p for p in DASHBOARD["panels"] if p["type"] != "row"], ids=lambda p: p["title"])
def test_a_legend_uses_labels_that_its_query_keeps(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= used_labels(target["expr"])


def test_every_metric_is_on_the_dashboard() -> None:
    shown = "\n".join(expressions())
    assert not [family.name for family in Metrics().registry.collect() if family.name not in shown]


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
