"""The command as a process."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.processes import wait_until

MAIN = "from gateway.envoy_config.command import envoy_config; envoy_config()"
POOL = "default: [one]\nllms:\n  one: {endpoints: [{address: 'http://127.0.0.1:8000/v1', model: one}]}\n"


def test_sigterm_ends_the_watcher_by_itself(tmp_path: Path) -> None:
    """Process 1 of a container outlives a SIGTERM that it leaves to the system, and its pod goes late."""
    endpoints, out = tmp_path / "endpoints.yaml", tmp_path / "envoy.yaml"
    endpoints.write_text(POOL)
    command = [sys.executable, "-c", MAIN, f"--endpoints={endpoints}", f"--out={out}", "--watch"]
    with subprocess.Popen(command) as watcher:
        try:
            assert wait_until(out.is_file, 60)
            watcher.send_signal(signal.SIGTERM)
            assert watcher.wait(60) == 0
        finally:
            watcher.kill()
