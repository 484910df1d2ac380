import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from routerdc_contract.output_path import OutputPath


@click.command()
@click.option("--out", type=OutputPath(file_okay=False))
def work(out: Path) -> None:
    click.echo(f"worked for {out}")


def call(out: Path) -> tuple[int, str]:
    result = CliRunner().invoke(work, ["--out", str(out)])
    return result.exit_code, result.output


def test_a_folder_that_can_be_made_is_taken(tmp_path: Path) -> None:
    assert call(tmp_path / "new" / "er") == (0, f"worked for {tmp_path / 'new' / 'er'}\n")
    assert call(tmp_path)[0] == 0


def test_a_folder_below_a_file_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, output = call(tmp_path / "file" / "out")
    assert code == 2
    assert "is no folder" in output
    assert "worked" not in output


def test_what_may_not_be_written_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    code, output = call(tmp_path / "out")
    assert (code, "read-only" in output, "worked" in output) == (2, True, False)
