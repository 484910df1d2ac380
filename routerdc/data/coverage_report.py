"""What `routerdc data check` prints of how a table was graded."""

from collections.abc import Mapping, Sequence
from typing import Any

from cli.answer import Answer
from cli.table import Column, Table
from routerdc.data.coverage import UNNAMED, Coverage


def show(answer: Answer, found: Coverage, llms: Sequence[str], grading: Mapping[str, Mapping[str, Any]]) -> None:
    """Shows quality by domain, graders with their agreement, what is missing and why, and what it cost."""
    if not set(found.domains) <= {UNNAMED}:
        answer.show("domains", _domains(found, llms), _means(found))
    answer.add(graders=found.graders, missing_because=found.missing, dollars=found.dollars)
    for line in [*_graders(found, grading), *_missing(found), *_cost(found)]:
        answer.say(line)


def _domains(found: Coverage, llms: Sequence[str]) -> Table:
    """Mean quality in per cent, and the number of grades."""
    rows = [(domain, *(_mean(by_llm.get(llm, [])) for llm in llms)) for domain, by_llm in sorted(found.domains.items())]
    columns = [Column("domain"), *(Column(llm, "s") for llm in llms)]
    return Table(columns, rows, "mean quality by domain, per cent (grades)")


def _means(found: Coverage) -> dict[str, dict[str, dict[str, float]]]:
    return {
        domain: {llm: {"mean": sum(scores) / len(scores), "grades": len(scores)} for llm, scores in by_llm.items()}
        for domain, by_llm in found.domains.items()
    }


def _mean(scores: Sequence[float]) -> str:
    return f"{100 * sum(scores) / len(scores):.1f} ({len(scores)})" if scores else "none"


def _graders(found: Coverage, grading: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for grader, count in found.graders.most_common():
        agreement = grading.get(grader)
        known = (
            f"Cohen's kappa with people {agreement['kappa']:.2f} ({agreement['low']:.2f} to {agreement['high']:.2f})"
            if agreement
            else "not held against people"
        )
        lines.append(f"{count} grades by {grader}: {known}")
    return lines


def _missing(found: Coverage) -> list[str]:
    lines = []
    for llm, reasons in sorted(found.missing.items()):
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        lines.append(f"missing of {llm}: {told}")
    return lines


def _cost(found: Coverage) -> list[str]:
    return [f"all answers cost ${found.dollars:.4f}"] if found.dollars else []
