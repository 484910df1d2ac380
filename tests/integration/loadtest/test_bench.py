"""`make bench` works from end to end: everything is started and measured, in one short round."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_quick_run_measures_a_benchmark_of_every_part_and_writes_nothing(
    model_repository: Path, tmp_path: Path
) -> None:
    names = ("over_echo_cached", "padding", "cpu_share")
    command = [sys.executable, "-m", "loadtest.bench", "--quick", f"--out={tmp_path / 'out'}"]
    command += [f"--data={tmp_path}", f"--repository={model_repository}", f"--full-depth-repository={model_repository}"]
    command += [f"--only={name}" for name in names]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={"COLUMNS": "240", "PATH": "/usr/bin:/bin"}
    )
    assert ended.returncode == 0, ended.stderr
    for row in ("scores cached", "tokens of queries over computed tokens, shipped", "RouteBatch(64), full depth"):
        assert row in ended.stdout
    assert re.search(r"\d+ goals m", ended.stdout)
    assert not (tmp_path / "out").exists()
