"""What was checked on which cluster, as a page."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.cluster.support.kubectl import items, kubectl

_HEAD = """# On a cluster

Command: `make check-cluster` ([how](../how-to/kubernetes.md#checks-on-your-cluster)). {when}; Kubernetes
{version}; nodes: {nodes}.
What no cluster of ours could show: [list](../how-to/kubernetes.md#checks-on-your-cluster).

| what | | seconds | seen |
|---|---|---:|---|
"""


@dataclass(frozen=True)
class Row:
    """One check."""

    what: str
    outcome: str
    seconds: float
    seen: str


def merged(rows: list[Row]) -> list[Row]:
    """One for each check and outcome: of many objects checked alike, how many."""
    alike: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        alike.setdefault((row.what, row.outcome, row.seen), []).append(row)
    return [
        Row(what, outcome, sum(row.seconds for row in found), f"{len(found)} of them" if len(found) > 1 else seen)
        for (what, outcome, seen), found in alike.items()
    ]


@dataclass
class Report:
    """All checks of a run, in their order."""

    rows: list[Row] = field(default_factory=list)

    def write(self, file: Path) -> None:
        """The whole page, with the cluster that answers now."""
        version = json.loads(kubectl("version", "--output=json"))["serverVersion"]["gitVersion"]
        when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        head = _HEAD.format(when=when, version=version, nodes=described(items("nodes")))
        rows = (f"| {row.what} | {row.outcome} | {row.seconds:.0f} | {row.seen} |\n" for row in merged(self.rows))
        file.write_text(head + "".join(rows), encoding="utf-8")


def described(nodes: list[dict[str, Any]]) -> str:
    """How many there are of each kind."""
    return "; ".join(f"{count} × {kind}" for kind, count in Counter(map(_node, nodes)).items())


def _node(node: dict[str, Any]) -> str:
    info, capacity = node["status"]["nodeInfo"], node["status"]["capacity"]
    system = f"{info['osImage']}, {info['architecture']}, kernel {info['kernelVersion'].split('-')[0]}"
    return f"{capacity['cpu']} cores ({system}, {info['containerRuntimeVersion']}, kubelet {info['kubeletVersion']})"
