"""What the checks on a cluster read is still written like that."""

import pytest

from cli.table import Table
from export.command import COLUMNS
from tests.cluster.export_log import agreement


@pytest.mark.parametrize("same", ["99.18%", "99.18% + 0.82% tied"])
def test_the_agreement_is_read_from_the_log_of_the_export(capsys: pytest.CaptureFixture[str], same: str) -> None:
    rows = [(step, "made", 244, choice, 0.013, 0.078) for step, choice in (("graph", "100.00%"), ("repository", same))]
    Table(COLUMNS, rows).print()
    assert agreement(capsys.readouterr().out) == (244, 99.18)
