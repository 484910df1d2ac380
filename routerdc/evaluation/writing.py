"""A report on disk: JSON for machines, Markdown for a repository, one self-contained HTML page, and a PNG of cost."""

import base64
import io
from pathlib import Path

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from routerdc.evaluation.plots import cost_curves, plots
from routerdc.evaluation.report import Report
from routerdc.evaluation.tables import Table, summary, tables


def write(report: Report, folder: Path) -> list[Path]:
    """Writes report.json, report.md, report.html and, where there are costs, cost.png; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {
        "report.json": report.model_dump_json(indent=1) + "\n",
        "report.md": markdown(report),
        "report.html": html(report),
    }
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    if report.costs:
        cost_curves(report.costs[0]).savefig(folder / "cost.png", dpi=120)
    return [folder / name for name in [*written, *(["cost.png"] if report.costs else [])]]


def markdown(report: Report) -> str:
    """Headings, tables and notes."""
    parts = [f"# Evaluation of {report.bundle} ({report.bundle_id})", *(f"- {line}" for line in summary(report))]
    for table in tables(report):
        parts += [f"## {table.title}", _markdown_table(table), table.note]
    if report.costs:
        parts.append("![cost against quality](cost.png)")
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(table: Table) -> str:
    rows = [
        [f"**{cell}**" if index in table.strong and cell else cell for cell in row]
        for index, row in enumerate(table.rows)
    ]
    rule = ["---", *["---:"] * (len(table.header) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [table.header, rule, *rows])


def html(report: Report) -> str:
    """One page that needs nothing else: styles inside, plots as data URIs."""
    environment = Environment(
        loader=PackageLoader("routerdc.evaluation", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    figures = {title: _data_uri(figure) for title, figure in plots(report).items()}
    page = environment.get_template("report.html")
    return page.render(report=report, tables=tables(report), figures=figures, summary=summary(report))


def _data_uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "routerdc", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
