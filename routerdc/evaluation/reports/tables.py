"""The tables of a report, as rows of text: one source for the terminal, Markdown and HTML."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from routerdc.evaluation.measures.report import CostReport, Estimate, Line, Report
from routerdc.evaluation.measures.selection import COLLAPSE_SHARE


@dataclass(frozen=True)
class Table:
    """`rows` are as long as `header`; the first column is text, the others are numbers. `strong`: rows to stress."""

    title: str
    header: list[str]
    rows: list[list[str]]
    strong: list[int] = field(default_factory=list)
    note: str = ""


def markdown_table(table: Table) -> str:
    """A table with its strong rows in bold."""
    rows = [
        [f"**{cell}**" if index in table.strong and cell else cell for cell in row]
        for index, row in enumerate(table.rows)
    ]
    rule = ["---", *["---:"] * (len(table.header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [table.header, rule, *rows])


def short_names(llms: Sequence[str]) -> list[str]:
    """Names without their organisation (`org/name`), where that leaves them different."""
    short = [llm.rsplit("/", 1)[-1] for llm in llms]
    return short if len(set(short)) == len(short) else list(llms)


def tables(report: Report) -> list[Table]:
    """All tables that the report has data for."""
    found = [
        quality(report),
        *(_versus(report, group) for group in report.groups),
        _shares(report),
        _calibration(report),
        _perturbed(report),
        _removals(report),
        _overlaps(report),
        _learning(report),
        *(_costs(cost) for cost in report.costs),
    ]
    return [table for table in found if table.rows]


def quality(report: Report) -> Table:
    """Every contender on every test set, and the averages."""
    columns = [(test.name, test.group) for test in report.sets]
    header = ["", *(name for name, _ in columns), *(f"average {group}" for group in report.groups)]
    rows = [
        [
            line.name,
            *(_mean(line.sets.get(name)) for name, _ in columns),
            *(with_interval(line.groups.get(group)) for group in report.groups),
        ]
        for line in report.lines
    ]
    return Table("Quality in percent, with 95 % bootstrap intervals of the averages", header, rows, _routers(report))


def _routers(report: Report) -> list[int]:
    return [index for index, line in enumerate(report.lines) if line.kind == "router"]


def _versus(report: Report, group: str) -> Table:
    references = list(dict.fromkeys(name for line in report.lines for name in line.versus))
    shown = [line for line in report.lines if line.kind in {"router", "baseline", "reference"}]
    rows = [[line.name, *(difference(line.versus.get(name, {}).get(group)) for name in references)] for line in shown]
    title = f"Differences of the average {group} (paired bootstrap)"
    note = "An asterisk marks a difference whose 95 % interval excludes 0."
    return Table(title, ["", *(f"against {name}" for name in references)], rows, [0], note)


def _shares(report: Report) -> Table:
    routing = [line for line in report.lines if line.kind in {"router", "baseline"}]
    columns = [(line, group) for line in routing for group in report.groups]
    rows = [
        [name, *(f"{line.shares[group][llm]:.1f}" for line, group in columns)]
        for llm, name in zip(report.llms, short_names(report.llms), strict=True)
    ]
    note = "; ".join(_collapse(line) for line in routing if line.collapsed_to)
    note = note or f"No router has collapsed (one LLM with at least {COLLAPSE_SHARE:.0%} of the queries)."
    header = ["", *(f"{line.name}, {group}" for line, group in columns)]
    return Table("Share of each LLM in percent", header, rows, note=note)


def _collapse(line: Line) -> str:
    return f"COLLAPSED: {line.name} gives at least {COLLAPSE_SHARE:.0%} of the queries to {line.collapsed_to}"


def _calibration(report: Report) -> Table:
    found = report.calibration
    if not found:
        return Table("Expected calibration error", [], [])
    rows = [
        ["all predictions", *(f"{one.ece:.3f}" for one in found.values())],
        ["the chosen LLM's", *(f"{one.ece_of_choice:.3f}" for one in found.values())],
        *([llm, *(f"{one.ece_per_llm[llm]:.3f}" for one in found.values())] for llm in report.llms),
    ]
    floors = {group: one.floor_of_choice for group, one in found.items() if one.floor_of_choice is not None}
    note = "; ".join(f"{floor:.3f} {group}" for group, floor in floors.items())
    note = note and f"True probabilities would show, for the chosen LLM on as many rows: {note}."
    return Table("Expected calibration error", ["", *found], rows, [1], note=note)


def _perturbed(report: Report) -> Table:
    rows = [
        [
            line.name,
            f"{line.changed:.1f}",
            f"{line.same_choice:.1f}",
            *(with_interval(line.groups[group]) for group in report.groups),
        ]
        for line in report.perturbed
    ]
    header = ["prompts", "changed %", "same choice %", *(f"average {group}" for group in report.groups)]
    return Table("Changed prompts", header, rows)


def _removals(report: Report) -> Table:
    rows = [
        [
            line.llm,
            *(f"{side[group]:.2f}" for group in report.groups for side in (line.router, line.best_single, line.oracle)),
        ]
        for line in report.removals
    ]
    names = ("router", "best single", "oracle")
    header = ["without", *(f"{name} {group}" for group in report.groups for name in names)]
    return Table("Pool without one LLM", header, rows, note="The best single LLM is chosen on train.")


def _overlaps(report: Report) -> Table:
    rows = [[line.name, str(line.inside), str(line.in_train)] for line in report.overlaps]
    rows = [row for row in rows if row[1:] != ["0", "0"]]
    return Table("Duplicate queries", ["test set", "repeated inside", "also in train"], rows)


def _costs(cost: CostReport) -> Table:
    references = list(dict.fromkeys(name for curve in cost.curves for name in curve.versus))
    best = cost.best_single
    rows = [
        [
            curve.name,
            with_interval(curve.aiq),
            *(difference(curve.versus.get(name)) for name in references),
            _dollars(curve.cost_of_best_single),
            "" if curve.cost_save is None else f"{curve.cost_save:.1%}",
            f"{curve.perf_gain:+.1f} %",
            f"{curve.pareto_dist:.3f}",
        ]
        for curve in cost.curves
    ]
    header = [
        "",
        "AIQ",
        *(f"against {name}" for name in references),
        "dollars per 1,000 queries",
        "CostSave",
        "PerfGain",
        "ParetoDist",
    ]
    title = f"Cost against quality: {cost.name}, {cost.rows} queries"
    note = (
        f"AIQ between {1000 * cost.low:.3f} and {1000 * cost.high:.3f} dollars per 1,000 queries. Dollars, CostSave: "
        f"where the quality of the best single LLM ({best.name}: {best.quality:.2f} % at "
        f"{1000 * best.cost:.3f} dollars per 1,000 queries) is reached; PerfGain: the best quality over it; "
        "ParetoDist: mean distance to the frontier of all but the oracle (names of LLMRouterBench)."
    )
    return Table(title, header, rows, [0], note)


def overview(report: Report) -> Table:
    """What fits a terminal: the router, what it should beat and the bounds, by group; single LLMs only the best."""
    best = max(
        (line for line in report.lines if line.kind == "llm"), key=lambda line: _first(line, report), default=None
    )
    shown = [line for line in report.lines if line.kind != "llm" or line is best]
    rows = [[line.name, *(with_interval(line.groups.get(group)) for group in report.groups)] for line in shown]
    counts = {group: sum(test.rows for test in report.sets if test.group == group) for group in report.groups}
    header = ["quality in percent", *(f"{group}, n = {counts[group]}" for group in report.groups)]
    return Table(
        f"{report.bundle} ({report.bundle_id})",
        header,
        rows,
        [row for row, one in enumerate(shown) if one.kind == "router"],
    )


def _first(line: Line, report: Report) -> float:
    estimate = line.groups.get(report.groups[0])
    return -1.0 if estimate is None or math.isnan(estimate.mean) else estimate.mean


def _learning(report: Report) -> Table:
    rows = [
        [str(point.rows), *(f"{point.quality[group]:.2f} ± {point.spread[group]:.2f}" for group in report.groups)]
        for point in report.learning
    ]
    title = "Learning curve: kNN with prior, by graded training queries"
    return Table(title, ["graded queries", *report.groups], rows)


def _mean(estimate: Estimate | None) -> str:
    return "" if estimate is None else f"{estimate.mean:.2f}"


def with_interval(estimate: Estimate | None) -> str:
    """`58.60 [57.10, 60.02]`; empty for None."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return _mean(estimate)
    return f"{estimate.mean:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def difference(estimate: Estimate | None) -> str:
    """`+1.37 [+0.20, +2.54] *`: the asterisk where the interval excludes 0; empty for None."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    mark = " *" if estimate.low > 0 or estimate.high < 0 else ""
    return f"{estimate.mean:+.2f} [{estimate.low:+.2f}, {estimate.high:+.2f}]{mark}"


def _dollars(cost: float | None) -> str:
    return "not reached" if cost is None else f"{1000 * cost:.3f}"


def summary(report: Report) -> Sequence[str]:
    """One line per thing that a reader must not miss."""
    collapsed = [_collapse(line) for line in report.lines if line.kind == "router" and line.collapsed_to]
    return [*(report.verdict.sentences if report.verdict else []), *collapsed, *report.notes]
