"""What `routerdc data check` prints of how a table was graded."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from routerdc.data.coverage import UNNAMED, Coverage


def show(console: Console, found: Coverage, llms: Sequence[str], grading: Mapping[str, Mapping[str, Any]]) -> None:
    """Prints quality by domain, graders with their agreement, what is missing and why, and what it cost."""
    for part in [*_domains(found, llms), *_graders(found, grading), *_missing(found), *_cost(found)]:
        console.print(part)


def _domains(found: Coverage, llms: Sequence[str]) -> list[RenderableType]:
    """Mean quality in per cent, and the number of grades."""
    if set(found.domains) <= {UNNAMED}:
        return []
    table = Table(title="mean quality by domain, per cent (grades)", title_justify="left")
    table.add_column("domain")
    for llm in llms:
        table.add_column(escape(llm), justify="right")
    for domain, by_llm in sorted(found.domains.items()):
        table.add_row(escape(domain), *(_mean(by_llm.get(llm, [])) for llm in llms))
    return [table]


def _mean(scores: Sequence[float]) -> str:
    return f"{100 * sum(scores) / len(scores):.1f} ({len(scores)})" if scores else "none"


def _graders(found: Coverage, grading: Mapping[str, Mapping[str, Any]]) -> list[RenderableType]:
    lines = []
    for grader, count in found.graders.most_common():
        agreement = grading.get(grader)
        known = (
            f"Cohen's kappa with people {agreement['kappa']:.2f} ({agreement['low']:.2f} to {agreement['high']:.2f})"
            if agreement
            else "not held against people"
        )
        lines.append(escape(f"{count} grades by {grader}: {known}"))
    return list(lines)


def _missing(found: Coverage) -> list[RenderableType]:
    lines = []
    for llm, reasons in sorted(found.missing.items()):
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        lines.append(escape(f"missing of {llm}: {told}"))
    return list(lines)


def _cost(found: Coverage) -> list[RenderableType]:
    return [f"all answers cost ${found.dollars:.4f}"] if found.dollars else []
