"""The evaluation in a model card."""

import datetime
from pathlib import Path

from routerdc.data.dataset import Dataset
from routerdc.evaluation.evaluate import Options, Subject, evaluate
from routerdc.evaluation.reports.card import write_to_card
from tests.support.data.two_subjects import embed

DAY = datetime.date(2026, 11, 22)


def test_section_is_added_once_and_replaced_later(
    tmp_path: Path, subject: Subject, train: list[Dataset], test: list[Dataset]
) -> None:
    report = evaluate(subject, train, test, embed, Options(robustness=False, notes=["looked at twice"]))
    card = tmp_path / "README.md"
    card.write_text("# small\n\n## Evaluation\n\nan older one\n\n## Limits\n\nmany\n", encoding="utf-8")
    assert write_to_card(tmp_path, report, DAY) == card
    first = card.read_text()
    assert write_to_card(tmp_path, report, DAY).read_text() == first
    assert first.startswith("# small\n\n## Limits\n\nmany\n\n## Evaluation\n\n")
    assert "older" not in first
    assert "- looked at twice" in first
    assert f"| **{report.lines[0].sets['odes'].mean:.2f}** |" in first
    assert "2026-11-22" in first
    assert "\n| poet |" not in first


def test_a_bundle_without_a_card_gets_one(
    tmp_path: Path, subject: Subject, train: list[Dataset], test: list[Dataset]
) -> None:
    report = evaluate(subject, train, test, embed, Options(robustness=False))
    assert write_to_card(tmp_path, report, DAY).read_text().startswith("# small\n\n## Evaluation\n")
