"""Load curves for people: a plot and a table of all that were recorded, each with the machine it ran on.

Knows the recorded JSON, not how it was measured.
"""

import json
from pathlib import Path
from typing import Any

_COLOURS = {"p50": "#1b9e77", "p95": "#7570b3", "p99": "#d95f02", "p99.9": "#e7298a"}
_PERCENTILES = tuple(_COLOURS)
_LATE_SHARE = 0.1  # of the goal: a generator that is later than that measures itself
_INTRODUCTION = """\
# Latency against rate

Command: `make curves`. Requests arrive as a Poisson process at each rate, whether or not earlier ones are answered, and
a latency counts from when its request was due (no coordinated omission). A request that failed, was refused, fell back
to the default LLM or missed its deadline counts as infinitely slow; "—" is a percentile among those, or one of too few
requests. Queries are all different, so no score comes from a cache. Rates double until p50 misses the goal, too; the
interval between the highest rate whose p99 held it and the next one is then halved until they are within a tenth. A
rate that misses is tried again; the better try is shown and marked "2 tries". Load generator and all parts share the
machine. How to measure your own: [loadtest.md](../loadtest.md).

![Latency against rate](curves.svg)
"""


def read(folder: Path, names: list[str]) -> list[dict[str, Any]]:
    """Those of the curves `names` that were recorded in `folder`, in that order."""
    files = (folder / f"{name}.json" for name in names)
    return [json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()]


def markdown(curves: list[dict[str, Any]]) -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, *_summary(curves), *(line for curve in curves for line in _section(curve))])


def _summary(curves: list[dict[str, Any]]) -> list[str]:
    head = ["| | highest rate within the goal | goal | p50 there | p99 there |", "| --- | --- | --- | --- | --- |"]
    return [*head, *(_summary_row(curve) for curve in curves), ""]


def _summary_row(curve: dict[str, Any]) -> str:
    highest, goal = curve["highest_rate_within_goal"], f"p99 ≤ {curve['goal_p99_ms']:g} ms"
    if highest is None:
        return f"| {curve['description']} | none | {goal} | | |"
    at = next(p["latency_ms"] for p in curve["points"] if p["rate_per_second"] == highest)
    return f"| {curve['description']} | {highest:.0f}/s | {goal} | {_ms(at['p50'])} | {_ms(at['p99'])} |"


def _section(curve: dict[str, Any]) -> list[str]:
    machine = curve["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"## {curve['description']}",
        "",
        f"Recorded {curve['recorded']} on {machine['cores']} cores ({machine['processor']}), {machine['system']}, "
        f"Python {machine['python']}; load average before {machine['load_average_before'][0]:g}; {versions}; commit "
        f"{machine['commit']}; {curve['served']}.",
        "",
        *_disturbance(curve),
        f"| rate | answered | requests | {' | '.join(_PERCENTILES)} | failed | generator late p99 |",
        "| --- " * (5 + len(_PERCENTILES)) + "|",
        *map(_point_row, curve["points"]),
        "",
    ]
    return lines + _perf_analyzer(curve.get("perf_analyzer", []))


def _disturbance(curve: dict[str, Any]) -> list[str]:
    """A warning where the load generator did not get a processor in time: then the service did not, either."""
    late_ms = max(point["late_p99_ms"] for point in curve["points"])
    if late_ms <= curve["goal_p99_ms"] * _LATE_SHARE:
        return []
    return [
        f"**Disturbed**: the load generator itself was up to {late_ms:.0f} ms late (p99), for want of processors. "
        "These rates are lower bounds; record again on a machine that does nothing else.",
        "",
    ]


def _point_row(point: dict[str, Any]) -> str:
    errors = ", ".join(f"{count} {code}" for code, count in point["errors"].items())
    tries = f" ({point['tries']} tries)" if point["tries"] > 1 else ""
    latencies = " | ".join(_ms(point["latency_ms"][name]) for name in _PERCENTILES)
    return (
        f"| {point['rate_per_second']:.0f}/s{tries} | {point['answered_per_second']:.0f}/s | {point['requests']} "
        f"| {latencies} | {errors} | {point['late_p99_ms']:.2f} ms |"
    )


def _perf_analyzer(points: list[dict[str, Any]]) -> list[str]:
    if not points:
        return []
    head = [
        "| rate | answered | requests | " + " | ".join(_PERCENTILES) + " |",
        "| --- " * (3 + len(_PERCENTILES)) + "|",
    ]
    rows = (
        f"| {p['rate_per_second']:.0f}/s | {p['answered_per_second']:.0f}/s | {p['requests']} | "
        + " | ".join(_ms(p["latency_ms"][name]) for name in _PERCENTILES)
        + " |"
        for p in points
    )
    note = "The same by perf_analyzer (`--request-distribution poisson`), which counts from when a request was sent:"
    return [note, "", *head, *rows, ""]


def _ms(value: float | None) -> str:
    return "—" if value is None else f"{value:.1f} ms"


def plot(curves: list[dict[str, Any]], file: Path) -> None:
    """A panel for each curve, all with the same axis of latencies."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "curves"  # the same picture from the same figures
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(curves), figsize=(4.6 * len(curves), 4.4), sharey=True, squeeze=False)
    for axis, curve in zip(axes[0], curves, strict=True):
        _panel(axis, curve)
    axes[0][0].set_ylabel("latency from due time, ms")
    axes[0][0].legend(loc="lower right", fontsize=7)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def _panel(axis: Any, curve: dict[str, Any]) -> None:
    for name, colour in _COLOURS.items():
        points = _known(curve["points"], name)
        axis.plot(*zip(*points, strict=True), marker="o", markersize=3, color=colour, label=name) if points else None
        if dots := _known(curve.get("perf_analyzer", []), name):
            axis.plot(*zip(*dots, strict=True), "x", color=colour, label=f"{name}, perf_analyzer")
    axis.axhline(curve["goal_p99_ms"], color="grey", linestyle=":", linewidth=1)
    if highest := curve["highest_rate_within_goal"]:
        axis.axvline(highest, color="grey", linestyle="--", linewidth=1)
        axis.annotate(f"{highest:.0f}/s", (highest, 1.15), fontsize=8, ha="right", rotation=90, va="bottom")
    axis.set_yscale("log")
    axis.set_ylim(bottom=1)
    axis.set_xlim(left=0)
    axis.set_xlabel("requests offered a second")
    axis.set_title(curve["description"], fontsize=9)
    axis.grid(visible=True, which="both", alpha=0.2)


def _known(points: list[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    return [(p["rate_per_second"], p["latency_ms"][name]) for p in points if p["latency_ms"][name] is not None]
