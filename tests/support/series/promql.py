"""PromQL as a parser reads it, everywhere that we write it: alerts, autoscalers, dashboards."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import promql_parser

from tests.support.rendered import ROOT, of_kind, overlay, with_components

# Put on by Prometheus and by our PodMonitors, not by the services.
TARGET_LABELS = {"job", "instance", "namespace", "pod", "container", "endpoint", "triton"}


class Selector(NamedTuple):
    """What is asked of one metric: {label: (operator, value)}."""

    name: str
    matchers: dict[str, tuple[str, str]]


def rules() -> list[dict[str, Any]]:
    """Every recording and alerting rule."""
    groups = (group for one in of_kind(overlay("monitoring"), "PrometheusRule") for group in one["spec"]["groups"])
    return [rule for group in groups for rule in group["rules"]]


def recorded() -> set[str]:
    """Names of series that rules make."""
    return {rule["record"] for rule in rules() if "record" in rule}


def autoscaler_queries() -> list[str]:
    """What KEDA asks Prometheus."""
    objects = of_kind(with_components("cpu", "autoscaling"), "ScaledObject")
    triggers = [trigger for one in objects for trigger in one["spec"]["triggers"]]
    return [trigger["metadata"]["query"] for trigger in triggers if trigger["type"] == "prometheus"]


def dashboard_queries() -> list[str]:
    """What the dashboards ask, with values in place of Grafana's variables."""
    found = []
    for file in sorted((ROOT / "deploy" / "dashboards").glob("*.json")):
        panels = json.loads(file.read_text(encoding="utf-8"))["panels"]
        found += [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [re.sub(r"\$\w+", ".*", query.replace("$__rate_interval", "5m")) for query in found]


def selectors(query: str) -> list[Selector]:
    """Every metric that `query` asks for.

    Raises:
        ValueError: it is no PromQL.
    """
    found: list[Selector] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            matchers = {m.name: (str(m.op).rpartition(".")[2], m.value) for m in node.matchers.matchers}
            found.append(Selector(str(node.name), matchers))
        return True

    promql_parser.walk(promql_parser.parse(query), visit)
    return found


def grouped_by(query: str) -> set[str]:
    """Labels in `by (…)`."""
    found: set[str] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            found.update(node.modifier.labels)
        return True

    promql_parser.walk(promql_parser.parse(query), visit)
    return found


def exact_values(selector: Selector) -> Iterator[tuple[str, str]]:
    """(label, value) for each value that a matcher names; patterns only where they are alternatives of words."""
    for label, (operator, value) in selector.matchers.items():
        if operator in ("Equal", "NotEqual"):
            yield label, value
        elif re.fullmatch(r"[\w|]+", value):
            yield from ((label, one) for one in value.split("|"))
