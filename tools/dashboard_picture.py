"""Draws a Grafana dashboard as a picture, from what a real Prometheus answers to its queries.

    python -m tools.dashboard_picture deploy/dashboards/gateway.json http://127.0.0.1:9090 docs/img/dashboard.png

Grafana itself cannot be installed from PyPI or Debian, so matplotlib draws the panels: their places, titles, units and
legends are the dashboard's, and every line is the answer of Prometheus to the panel's own query. Needs matplotlib.
"""

import json
import math
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import click
from matplotlib import dates, pyplot, ticker

STEP_SECONDS = 2
_COLUMNS, _ROW_INCHES, _COLUMN_INCHES = 24, 0.34, 0.75
_DARK, _GREY, _GREEN = "#24292e", "#57606a", "#1a7f37"
_LARGEST_LEGEND, _LONGEST_LABEL = 6, 26
_UNITS = {"reqps": "{:g}/s", "percentunit": "{:.0%}", "s": "{:g} s", "ms": "{:g} ms", "short": "{:g}"}

Line = tuple[str, list[float], list[float]]
"""Legend, seconds since 1970, values."""


@click.command()
@click.argument("dashboard", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("prometheus")
@click.argument("picture", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seconds", default=180, show_default=True, help="How far it looks back.")
@click.option("--rate-interval", default="20s", show_default=True, help="What Grafana's $__rate_interval stands for.")
def main(dashboard: Path, prometheus: str, picture: Path, seconds: int, rate_interval: str) -> None:
    """Draws DASHBOARD into PICTURE, with the data of the Prometheus at the URL PROMETHEUS."""
    content = json.loads(dashboard.read_text(encoding="utf-8"))
    panels = content["panels"]
    height = max(bottom(panel) for panel in panels)
    figure = pyplot.figure(figsize=(_COLUMNS * _COLUMN_INCHES, height * _ROW_INCHES), facecolor="#f4f5f5")
    end = time.time()
    for panel in panels:
        lines = [
            line
            for target in panel.get("targets", ())
            for line in ask(prometheus, filled(target["expr"], rate_interval), target["legendFormat"], end, seconds)
        ]
        draw(figure, panel, lines, height)
    figure.savefig(picture, dpi=70)


def bottom(panel: dict[str, Any]) -> int:
    """Where a panel ends, in Grafana's rows."""
    place = panel["gridPos"]
    return int(place["y"] + place["h"])


def filled(query: str, rate_interval: str) -> str:
    """`query` with Grafana's variables set: everything, in intervals of `rate_interval`."""
    return re.sub(r"\$(\w+)", lambda found: rate_interval if found[1] == "__rate_interval" else ".*", query)


def named(legend: str, labels: dict[str, str]) -> str:
    """The legend of one series, as Grafana fills it in."""
    return re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), legend)


def ask(prometheus: str, query: str, legend: str, end: float, seconds: int) -> list[Line]:
    """The lines that `query` gives for the `seconds` before `end`."""
    range_of = {"query": query, "start": end - seconds, "end": end, "step": STEP_SECONDS}
    with urlopen(f"{prometheus}/api/v1/query_range?{urlencode(range_of)}", timeout=30) as answer:  # noqa: S310
        told = json.load(answer)
    lines = []
    for series in told["data"]["result"]:
        values = [(at, float(value)) for at, value in series["values"] if math.isfinite(float(value))]
        if values:
            lines.append((named(legend, series["metric"]), [at for at, _ in values], [value for _, value in values]))
    return lines


def draw(figure: Any, panel: dict[str, Any], lines: list[Line], height: int) -> None:
    """Draws one panel at its place."""
    place, title = panel["gridPos"], panel["title"]
    left, width = place["x"] / _COLUMNS, place["w"] / _COLUMNS
    low, tall = 1 - bottom(panel) / height, place["h"] / height
    if panel["type"] == "row":
        figure.text(left + 0.008, low + tall / 2, f"▾ {title}", va="center", weight="bold", color=_DARK)
        return
    axes = figure.add_axes((left + 0.035, low + 0.3 * tall, width - 0.045, 0.56 * tall))
    axes.set_title(title, loc="left", fontsize=10, color=_DARK)
    axes.tick_params(labelsize=7, colors=_GREY)
    if panel["type"] == "stat" or not lines:
        shown = "\n".join(f"{legend}  {values[-1]:g}" for legend, _, values in lines) or "No data"
        axes.set(xticks=(), yticks=())
        axes.text(0.5, 0.5, shown, ha="center", va="center", fontsize=13, color=_GREEN if lines else _GREY)
        return
    _plot(axes, lines, _UNITS[panel["fieldConfig"]["defaults"]["unit"]])


def _plot(axes: Any, lines: list[Line], unit: str) -> None:
    """Draws lines; the largest of those that are not nought throughout stand in the legend."""
    drawn = {}
    for legend, times, values in sorted(lines, key=lambda line: -max(line[2])):
        (drawn[legend],) = axes.plot(_days(times), values, lw=1.3)
    named = [legend for legend, _, values in lines if max(values) > 0] or list(drawn)
    shown = [legend for legend in drawn if legend in named][:_LARGEST_LEGEND]
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: unit.format(value)))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S"))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(ticker.MaxNLocator(4))
    axes.grid(alpha=0.3)
    axes.set_ylim(bottom=0)
    handles = [drawn[legend] for legend in shown]
    labels = [legend[-_LONGEST_LABEL:] for legend in shown]
    axes.legend(handles, labels, fontsize=6.5, loc="upper left", bbox_to_anchor=(0, -0.14), ncol=3, frameon=False)


def _days(times: list[float]) -> list[float]:
    """Seconds since 1970 as matplotlib counts days."""
    return [at / 86_400 for at in times]


if __name__ == "__main__":
    main()
