"""The result of an evaluation in the model card of the bundle: one section, replaced at every evaluation.

The card is not part of what the bundle id covers: a measurement does not make another bundle.
"""

import datetime
import re
from pathlib import Path

from routerdc.evaluation.measures.report import Report
from routerdc.evaluation.reports.tables import markdown_table, quality, summary
from routerdc.training.model_card import CARD_FILE
from routerdc_contract.whole_file import write_whole

HEADING = "## Evaluation"


def write_to_card(bundle: Path, report: Report, day: datetime.date) -> Path:
    """Puts `report` into the card of the folder `bundle`, in the place of an earlier one; returns its path."""
    card = bundle / CARD_FILE
    text = card.read_text(encoding="utf-8") if card.is_file() else f"# {report.bundle}\n"
    rest = re.sub(rf"^{HEADING}\n.*?(?=^## |\Z)", "", text, flags=re.MULTILINE | re.DOTALL).rstrip()
    write_whole(card, f"{rest}\n\n{section(report, day)}\n")
    return card


def section(report: Report, day: datetime.date) -> str:
    """The main table without single LLMs, and every note."""
    shown = report.model_copy(update={"lines": [line for line in report.lines if line.kind != "llm"]})
    table = quality(shown)
    source = f"`routerdc evaluate` on {day.isoformat()}, bundle `{report.bundle_id}`, test data only:"
    notes = "\n".join(f"- {line}" for line in summary(report))
    return "\n\n".join([HEADING, source, markdown_table(table), f"{table.title}.", notes])
