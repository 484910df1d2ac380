"""A disk that is full while a model repository or a plan's cache is written: nothing half-made is taken for whole."""

import resource
import subprocess
from functools import partial
from pathlib import Path

from deploy.local.command import SHIPPED_BUNDLE
from deploy.local.stack import ROUTERDC
from tests.chaos.conftest import full_only
from tests.chaos.ledger import Ledger

FULL_AT_BYTES = 2048


def export(out: Path, *, full_disk: bool) -> subprocess.CompletedProcess[str]:
    """`routerdc export`; on a full disk no file may become longer than a few lines of text."""
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (FULL_AT_BYTES, resource.RLIM_INFINITY))
    command = [str(ROUTERDC), "export", "--bundle", str(SHIPPED_BUNDLE), "--out", str(out)]
    before = limit if full_disk else None
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=before)


@full_only
def test_full_disk_leaves_no_half_made_repository_and_the_next_export_repairs(tmp_path: Path, ledger: Ledger) -> None:
    failed = export(tmp_path, full_disk=True)
    assert failed.returncode == 1
    assert "File too large" in failed.stderr
    left = int((tmp_path / "model_repository").exists())
    ledger.at_most("disk full (export)", "half-made repositories", left, 0, "", timed=False)
    shown = int("Traceback" in failed.stderr)
    ledger.at_most("disk full (export)", "errors of more than a line", shown, 0, "", timed=False)
    repaired = export(tmp_path, full_disk=False)
    ledger.at_most("disk full (export), then space", "exit status", repaired.returncode, 0, "", timed=False)
    assert (tmp_path / "model_repository/routerdc/config.pbtxt").is_file()
