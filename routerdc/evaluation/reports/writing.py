"""A report on disk: JSON for machines, Markdown and PNGs for a repository, one HTML page that needs nothing else."""

import base64
import io
import re
from pathlib import Path

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from routerdc.evaluation.measures.report import Report
from routerdc.evaluation.reports.plots import plots
from routerdc.evaluation.reports.tables import markdown_table, summary, tables


def write(report: Report, folder: Path) -> list[Path]:
    """Writes report.json, report.md, report.html and one PNG for each plot; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {
        "report.json": report.model_dump_json(indent=1) + "\n",
        "report.md": markdown(report),
        "report.html": html(report),
    }
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    figures = {_png(title): figure for title, figure in plots(report).items()}
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=120)
    return [folder / name for name in [*written, *figures]]


def markdown(report: Report) -> str:
    """Headings, tables, notes and links to the plots."""
    parts = [f"# Evaluation of {report.bundle} ({report.bundle_id})", *(f"- {line}" for line in summary(report))]
    for table in tables(report):
        parts += [f"## {table.title}", markdown_table(table), table.note]
    parts += ["## Plots", *(f"![{title}]({_png(title)})" for title in plots(report))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _png(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()) + ".png"


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
