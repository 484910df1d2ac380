"""What SIGTERM does to a command that works: Kubernetes sends it to init containers and Jobs, too."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.processes import wait_until


def test_sigterm_ends_a_command_by_itself(tmp_path: Path) -> None:
    """As process 1 of its container, a command that leaves SIGTERM to the system outlives it for its whole grace."""
    os.mkfifo(table := tmp_path / "table.yaml")
    command = [str(Path(sys.executable).with_name("routerdc")), "prior", str(table), "--out", str(tmp_path / "bundle")]
    writing = []

    def is_reading() -> bool:
        try:
            writing.append(os.open(table, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            assert wait_until(is_reading, 60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 128 + signal.SIGTERM
        finally:
            process.kill()
            for file in writing:
                os.close(file)
