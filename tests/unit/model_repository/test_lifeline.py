"""A process whose parent is killed ends, although its parent's process id still exists and it ignores SIGTERM."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.processes import is_alive, wait_until

MODEL = Path(__file__).parents[3] / "model_repository/routerdc/1"
CHILD = """
import signal, sys, time
import lifeline
signal.signal(signal.SIGTERM, signal.SIG_IGN)
lifeline.CHECK_SECONDS = lifeline.GRACE_SECONDS = 0.1
lifeline.end_with_parent()
print("watching", flush=True)
time.sleep(600)
"""
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def test_a_process_ends_with_its_parent_and_not_before() -> None:
    command = [sys.executable, "-c", PARENT, CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=MODEL) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not wait_until(lambda: not is_alive(child), timeout_seconds=1)
        parent.send_signal(signal.SIGKILL)  # and not waited for yet
        assert wait_until(lambda: not is_alive(child), timeout_seconds=10)
