"""Throughput of all contenders, and their latency at set rates, as one picture."""

from collections.abc import Sequence
from pathlib import Path

from loadtest.bench.comparison import rounded
from loadtest.side_by_side.encoders import RATES, Result

_OURS, _OTHERS = "#1b7f5c", "#8a8f98"


def draw(results: Sequence[Result], path: Path) -> None:
    """Writes a PNG; who failed is left out."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown = [one for one in results if not one.error]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), width_ratios=(1.2, 1), layout="constrained")
    rates = [one.queries_per_second for one in shown]
    bars = left.barh(
        [one.name for one in shown],
        [rate.median for rate in rates],
        xerr=[[rate.median - rate.p10 for rate in rates], [rate.p90 - rate.median for rate in rates]],
        color=[_OURS if one.ours else _OTHERS for one in shown],
        ecolor="#444444",
    )
    left.bar_label(bars, [f" {rounded(rate.median)}" for rate in rates], padding=6, fontsize=9)
    left.set_xscale("log")
    left.set_xlim(1, max(rate.p90 for rate in rates) * 3)
    left.set_xlabel("queries a second at saturation (log scale)")
    left.spines[["top", "right"]].set_visible(False)
    markers = iter("osDv^P*Xh<>")
    for one in (one for one in shown if one.latency):
        color, marker = (_OURS if one.ours else _OTHERS), next(markers)
        at = [rate for rate in RATES if rate in one.latency]
        right.plot(at, [one.latency[rate].p99_ms for rate in at], marker=marker, color=color, label=one.name)
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
    right.minorticks_off()
    right.set_xlabel("queries a second offered; no point: does not keep up")
    right.set_ylabel("p99 latency, ms")
    right.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    right.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
