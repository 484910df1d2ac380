"""Every time series that the gateway may expose."""

from collections.abc import Iterator
from typing import Any

from gateway.telemetry.metrics import Metrics

SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}


def series() -> dict[str, set[str]]:
    """By name, with its labels (a histogram's `le` left out)."""
    labels = {name: set(getattr(c, "_labelnames", ())) for c, names in _collectors() for name in names}
    found: dict[str, set[str]] = {}
    for family in Metrics().registry.collect():
        known = labels.get(family.name, set()) | set(getattr(family, "_labelnames", ()))
        found |= {family.name + suffix: known for suffix in SUFFIXES[family.type]}
    return found


def _collectors() -> Iterator[tuple[Any, list[str]]]:
    yield from Metrics().registry._collector_to_names.items()
