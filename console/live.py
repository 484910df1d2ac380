"""Live figures: the difference between two readings of the gateway's metrics (Prometheus text).

Counters only ever grow, so that what happened in between is a difference. A gateway that started again in between has
smaller counters than before: then its new ones are the difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

Json = dict[str, Any]
Labels = frozenset[tuple[str, str]]
STAGES = ("total", "queue", "score")


@dataclass(frozen=True)
class Reading:
    """All samples of one scrape, and when it was, in seconds of a monotonic clock."""

    at: float
    samples: Mapping[tuple[str, Labels], float]


def reading(text: str, at: float) -> Reading:
    """The samples in `text`, which is Prometheus's text format."""
    families = text_string_to_metric_families(text)
    samples = {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}
    return Reading(at, samples)


def figures(before: Reading, now: Reading) -> Json:
    """What happened between two readings, and what holds now."""
    seconds = max(now.at - before.at, 1e-9)
    by_llm = _grown(before, now, "routerdc_requests_total", "llm")
    decided = sum(by_llm.values())
    shadow = _grown(before, now, "routerdc_shadow_queries_total", "outcome")
    compared = shadow.get("agreed", 0) + shadow.get("differed", 0)
    return {
        "seconds": seconds,
        "decisions_per_second": decided / seconds,
        "shares": {llm: count / decided for llm, count in by_llm.items()} if decided else {},
        "fallbacks": _grown(before, now, "routerdc_fallbacks_total", "cause"),
        "errors": _grown(before, now, "routerdc_errors_total", "code"),
        "stages": {stage: _quantiles(before, now, stage) for stage in STAGES},
        "in_flight": _gauge(now, "routerdc_in_flight"),
        "ready": _gauge(now, "routerdc_ready") == 1,
        "bundle": next(iter(_by_label(now, "routerdc_bundle_info", "bundle_id")), None),
        "tritons": _by_label(now, "routerdc_tritons", "state"),
        "shadow_agreement": shadow.get("agreed", 0) / compared if compared else None,
        "shadow": shadow,
    }


def _by_label(now: Reading, name: str, label: str) -> dict[str, float]:
    """Sums of the metric by one of its labels."""
    sums: dict[str, float] = {}
    for (sample, labels), value in now.samples.items():
        if sample == name and label in (known := dict(labels)):
            sums[known[label]] = sums.get(known[label], 0) + value
    return sums


def _grown(before: Reading, now: Reading, name: str, label: str) -> dict[str, float]:
    """By how much the counter grew, by one of its labels; only those that did."""
    old, new = _by_label(before, name, label), _by_label(now, name, label)
    grown = {key: _difference(value, old.get(key, 0)) for key, value in new.items()}
    return {key: value for key, value in grown.items() if value}


def _difference(new: float, old: float) -> float:
    return new - old if new >= old else new


def _gauge(now: Reading, name: str) -> float | None:
    return now.samples.get((name, frozenset()))


def _quantiles(before: Reading, now: Reading, stage: str) -> Json:
    """p50 and p99 in milliseconds of a stage, interpolated within the histogram's buckets; None without queries."""
    buckets: list[tuple[float, float]] = []
    for (name, labels), value in now.samples.items():
        known = dict(labels)
        if name == "routerdc_stage_seconds_bucket" and known.get("stage") == stage:
            old = before.samples.get((name, labels), 0)
            buckets.append((float(known["le"]), _difference(value, old)))
    buckets.sort()
    return {"p50": quantile(buckets, 0.5), "p99": quantile(buckets, 0.99)}


def quantile(buckets: list[tuple[float, float]], share: float) -> float | None:
    """The quantile in milliseconds of cumulative `buckets` (upper bound in seconds, count), sorted.

    A value in the bucket without an upper bound counts as the highest bound, as in Prometheus.
    """
    total = buckets[-1][1] if buckets else 0
    if not total:
        return None
    lower, below = 0.0, 0.0
    for upper, count in buckets:
        if count >= share * total:
            inside = (share * total - below) / (count - below) if count > below else 1.0
            return 1000 * (lower if upper == float("inf") else lower + (upper - lower) * inside)
        lower, below = upper, count
    return None
