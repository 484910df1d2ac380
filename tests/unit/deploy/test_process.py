import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.processes.process import ChildProcess, ProcessError
from tests.support.processes import is_alive, wait_until

FOREVER = "import time; print('started', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + FOREVER
PARENT = """
import sys, time
from pathlib import Path
from deploy.local.processes.process import ChildProcess
child = ChildProcess("child", [sys.executable, "-c", {code!r}], log=Path({log!r}))
child.start()
child.wait_ready(lambda: "started" in child.log.read_text(), 20)
print(child.pid, flush=True)
time.sleep(600)
"""


def child(tmp_path: Path, code: str) -> ChildProcess:
    return ChildProcess("sleeper", [sys.executable, "-c", code], log=tmp_path / "logs" / "child.log")


def has_started(process: ChildProcess) -> Callable[[], bool]:
    return lambda: "started" in process.log.read_text()


def test_it_runs_inside_the_block_and_ends_with_it(tmp_path: Path) -> None:
    with child(tmp_path, FOREVER) as process:
        process.wait_ready(has_started(process), 20)
        assert process.running
    assert not process.running
    assert process.wait() == -signal.SIGTERM


def test_a_child_that_ignores_the_request_to_end_is_killed(tmp_path: Path) -> None:
    process = child(tmp_path, STUBBORN)
    process.start()
    process.wait_ready(has_started(process), 20)
    process.stop(timeout_seconds=0.2)
    assert process.wait() == -signal.SIGKILL


def test_a_child_that_ends_by_itself_is_reported_with_its_log(tmp_path: Path) -> None:
    process = child(tmp_path, "import sys; print('no more disk'); sys.exit(3)")
    process.start()
    with pytest.raises(ProcessError, match=r"sleeper ended with status 3(.|\n)*no more disk"):
        process.wait_ready(lambda: False, 20)


def test_a_child_that_is_never_ready_is_reported(tmp_path: Path) -> None:
    with child(tmp_path, FOREVER) as process, pytest.raises(ProcessError, match=r"was not ready after 0\.2 s"):
        process.wait_ready(lambda: False, 0.2)


def test_a_program_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    process = ChildProcess("ghost", [str(tmp_path / "ghost")], log=tmp_path / "child.log")
    process.start()
    with pytest.raises(ProcessError, match="No such file"):
        process.wait_ready(lambda: False, 20)


def test_noise_is_left_out_of_the_reported_log(tmp_path: Path) -> None:
    process = ChildProcess("noisy", ["/bin/sh"], log=tmp_path / "child.log", log_noise=("I",))
    (tmp_path / "child.log").write_text("I am chatty\nError: it broke\n")
    assert "chatty" not in process.log_tail()
    assert "it broke" in process.log_tail()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = PARENT.format(code=FOREVER, log=str(tmp_path / "child.log"))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    assert wait_until(lambda: not is_alive(pid))


def test_a_child_does_not_see_ctrl_c(tmp_path: Path) -> None:
    with child(tmp_path, FOREVER) as process:
        process.wait_ready(has_started(process), 20)
        assert os.getpgid(process.pid) != os.getpgrp()
