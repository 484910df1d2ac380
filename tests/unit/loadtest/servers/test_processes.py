"""Children that end with their block, the stubborn ones too."""

import sys
import time
from pathlib import Path

from loadtest.servers.processes import child, free_ports

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def test_a_child_ends_with_its_block(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with child([sys.executable, "-c", "import time; time.sleep(60)"], log) as process:
        assert process.poll() is None
    assert process.returncode is not None


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with child([sys.executable, "-c", DEAF], log, stop_seconds=0.1) as process:
        while "up" not in log.read_text():
            time.sleep(0.01)
    assert process.returncode == -9


def test_free_ports_differ() -> None:
    assert len(set(free_ports(8))) == 8
