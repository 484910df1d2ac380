"""What the checks on a cluster read is still written like that."""

import pytest

from cli.table import Table
from export.command import COLUMNS
from tests.cluster.export_log import agreement
from tests.cluster.report import Row, merged


@pytest.mark.parametrize("same", ["99.18%", "99.18% + 0.82% tied"])
def test_the_agreement_is_read_from_the_log_of_the_export(capsys: pytest.CaptureFixture[str], same: str) -> None:
    rows = [(step, "made", 244, choice, 0.013, 0.078) for step, choice in (("graph", "100.00%"), ("repository", same))]
    Table(COLUMNS, rows).print()
    assert agreement(capsys.readouterr().out) == (244, 99.18)


def test_the_page_has_one_row_for_what_is_checked_alike() -> None:
    alike = [Row("taken", "passed", 2, ""), Row("taken", "passed", 3, ""), Row("taken", "failed", 1, "")]
    assert merged(alike) == [Row("taken", "passed", 5, "2 of them"), Row("taken", "failed", 1, "")]
    changes = [Row("change", "passed", 2, "gateway"), Row("change", "passed", 3, "Triton")]
    assert merged(changes) == changes
