"""The gateway of this tree against that of a checkout: both are started and asked, and each row is shown."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def against(checkout: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtest.against", str(checkout), "--rounds=1", "--calls=32"]
    environment = {**os.environ, "COLUMNS": "240"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)


def test_a_checkout_is_compared_by_cpu_time(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.symlink_to(ROOT)
    ended = against(checkout)
    for row in ("scores cached", "instant Triton"):
        assert f"{checkout}: {row}" in ended.stdout, ended.stderr
    assert ended.returncode == ("missed" in ended.stdout)


def test_a_checkout_whose_gateway_does_not_start_is_told(tmp_path: Path) -> None:
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "__init__.py").write_text("raise SystemExit('another gateway')")
    ended = against(tmp_path)
    assert ended.returncode == 1
    assert "another gateway" in ended.stderr
