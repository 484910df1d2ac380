"""The plots of a report, as matplotlib figures."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from routerdc.evaluation.measures.cost_report import HULL, ORACLE, ROUTER
from routerdc.evaluation.measures.report import CostReport, Estimate, Report, SingleLlm
from routerdc.evaluation.reports.tables import short_names

COLOURS = {
    "router": "#d1495b",
    "published": "#8d6a9f",
    "baseline": "#00798c",
    "reference": "#30638e",
    "bound": "#9aa5b1",
    "llm": "#9fb3c8",
}

CURVES = {
    ROUTER: ("-", COLOURS["router"], 2.4),
    HULL: ("--", "#52606d", 1.3),
    ORACLE: (":", COLOURS["bound"], 1.3),
}
"""line style, colour and width by name of a cost curve"""


def plots(report: Report) -> dict[str, Figure]:
    """Title → figure, for everything that the report has data for."""
    figures = {"Average quality": quality(report), "Share of each LLM": shares(report)}
    if report.calibration:
        figures["Reliability"] = calibration(report)
    if report.perturbed:
        figures["Changed prompts"] = perturbed(report)
    for cost in report.costs:
        figures[f"Cost against quality: {cost.name}"] = cost_curves(cost)
    return figures


def quality(report: Report) -> Figure:
    """Averages of all contenders but the oracle (it would squeeze the scale), one panel per group."""
    shown = [line for line in report.lines if line.name != "oracle"]
    figure = Figure(figsize=(11, 0.3 * len(shown) + 1.2), layout="constrained")
    _estimates(figure, report.groups, [_Shown(line.name, COLOURS[line.kind], line.groups) for line in shown])
    return figure


class _Shown(NamedTuple):
    name: str
    colour: str
    groups: dict[str, Estimate]


def _estimates(figure: Figure, groups: Sequence[str], rows: Sequence[_Shown]) -> None:
    """Dots with intervals, one panel per group; no bars, because the scale does not begin at zero."""
    for place, (axes, group) in enumerate(zip(_row(figure, len(groups)), groups, strict=True)):
        for height, row in enumerate(reversed(rows)):
            if found := row.groups.get(group):
                low, high = found.low or found.mean, found.high or found.mean
                axes.plot([low, high], [height, height], color=row.colour, linewidth=2.2, alpha=0.55)
                axes.plot(found.mean, height, "o", color=row.colour, markersize=6)
                axes.annotate(f"  {found.mean:.2f}", (high, height), va="center", fontsize=7)
        axes.set_yticks(range(len(rows)), [row.name for row in reversed(rows)] if place == 0 else [])
        axes.set(title=group, xlabel="quality, %", ylim=(-0.6, len(rows) - 0.4))
        axes.margins(x=0.14)
        axes.grid(axis="x", alpha=0.25)
        axes.tick_params(labelsize=8)


def shares(report: Report) -> Figure:
    """Shares of the LLMs: one bar per routing contender and group."""
    bars = [
        (f"{line.name}\n{group}", line.shares[group])
        for line in report.lines
        if line.kind in {"router", "baseline"}
        for group in report.groups
    ][::-1]
    figure = Figure(figsize=(11, 0.42 * len(bars) + 1.6), layout="constrained")
    axes = figure.subplots()
    axes.set_prop_cycle(color=colormaps["tab20"](range(20)))
    left = [0.0] * len(bars)
    for llm, label in zip(report.llms, short_names(report.llms), strict=True):
        widths = [share[llm] for _, share in bars]
        axes.barh([name for name, _ in bars], widths, left=left, label=label)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set(xlim=(0, 100), xlabel="% of the queries, every data set weighing the same")
    axes.tick_params(labelsize=7)
    figure.legend(loc="outside lower center", ncols=4, fontsize=7, frameon=False)
    return figure


def calibration(report: Report) -> Figure:
    """Predicted against observed probability; dots grow with their share of the predictions."""
    figure = Figure(figsize=(5 * len(report.calibration), 4.4), layout="constrained")
    for axes, (group, found) in zip(_row(figure, len(report.calibration)), report.calibration.items(), strict=True):
        axes.plot([0, 1], [0, 1], color=COLOURS["bound"], linestyle="--", linewidth=1)
        axes.plot(found.curve.predicted, found.curve.observed, color=COLOURS["router"], linewidth=1)
        sizes = [12 + 400 * weight for weight in found.curve.weight]
        axes.scatter(found.curve.predicted, found.curve.observed, s=sizes, color=COLOURS["router"], alpha=0.6)
        axes.set(title=f"{group}: ECE {found.ece:.3f}", xlabel="predicted", ylabel="observed", xlim=(0, 1), ylim=(0, 1))
    return figure


def perturbed(report: Report) -> Figure:
    """Average quality under each kind of changed prompts."""
    figure = Figure(figsize=(11, 0.3 * len(report.perturbed) + 1.2), layout="constrained")
    _estimates(figure, report.groups, [_Shown(line.name, COLOURS["router"], line.groups) for line in report.perturbed])
    return figure


def cost_curves(cost: CostReport) -> Figure:
    """Hulls in the plane of cost (logarithmic) and quality, with every single LLM as a dot."""
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    axes = figure.subplots()
    axes.set_prop_cycle(color=["#edae49", "#00798c", "#66a182", "#8d6a9f"])
    for curve in cost.curves:
        # dense, because straight lines bend on a logarithmic axis
        dense = np.geomspace(curve.costs[1], max(cost.high, curve.costs[-1]), 400)
        heights = np.interp(dense, curve.costs, curve.quality)
        style, colour, width = CURVES.get(curve.name, ("-", None, 1.3))
        label = f"{curve.name}, AIQ {curve.aiq.mean:.2f}"
        axes.plot(1000 * dense, heights, style, color=colour, linewidth=width, label=label)
    for llm, label in zip(cost.singles, short_names([llm.name for llm in cost.singles]), strict=True):
        axes.plot(1000 * llm.cost, llm.quality, "o", color="#52606d", markersize=4)
        # above the best of those that lie close together, below the others
        above = all(other.quality <= llm.quality for other in _near(cost, llm))
        axes.annotate(
            label,
            (1000 * llm.cost, llm.quality),
            fontsize=6.5,
            xytext=(3, 6 if above else -9),
            textcoords="offset points",
        )
    axes.set(xscale="log", xlabel="US dollars per 1,000 queries", ylabel="quality, %", title=cost.name)
    axes.grid(alpha=0.25)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _row(figure: Figure, count: int) -> list[Axes]:
    grid = figure.subplots(1, count, squeeze=False)
    return list(grid[0])


def _near(cost: CostReport, llm: SingleLlm) -> list[SingleLlm]:
    """The LLMs whose labels could cover this one's."""

    def close(other: SingleLlm) -> bool:
        low, high = sorted([llm.cost, other.cost])
        return high < 1.65 * low and abs(other.quality - llm.quality) < 4

    return [other for other in cost.singles if close(other)]
