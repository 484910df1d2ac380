"""A server and the process that it started end together, whatever state the other one is in, and only until release."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.processes import is_alive, wait_until

MODEL = Path(__file__).parents[3] / "model_repository/routerdc/1"
CHILD = """
import signal, sys, time
import lifeline
signal.signal(signal.SIGTERM, signal.SIG_IGN)
held = lifeline.Lifeline()
print("held", flush=True)
for line in sys.stdin:
    getattr(held, line.strip())()
    print("done", flush=True)
time.sleep(600)
"""
SERVER = """
import subprocess, sys
open("/proc/self/comm", "w").write(sys.argv[3])
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:3]], **pipes)
child.stdout.readline()
print(child.pid, flush=True)
for line in sys.stdin:
    child.stdin.write(line)
    child.stdin.flush()
    print(child.stdout.readline(), end="", flush=True)
"""


class Server(NamedTuple):
    """A parent that is not waited for, its child, and the shared memory between them."""

    process: subprocess.Popen[str]
    child: int
    shared_memory: Path

    def tell(self, word: str) -> None:
        """The child calls the method of that name."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


def started(name: str) -> Iterator[Server]:
    memory = Path(f"/dev/shm/routerdc_test_{os.getpid()}")
    memory.touch()
    command = [sys.executable, "-c", SERVER, CHILD, memory.name, name]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=MODEL, **pipes) as process:  # type: ignore[call-overload]
        child = int(process.stdout.readline())
        yield Server(process, child, memory)
        for pid in (child, process.pid):
            os.kill(pid, signal.SIGKILL) if is_alive(pid) else None
    memory.unlink(missing_ok=True)


@pytest.fixture
def server() -> Iterator[Server]:
    yield from started("tritonserver")


@pytest.fixture
def program() -> Iterator[Server]:
    yield from started("program")


@pytest.mark.parametrize("is_loaded", [False, True], ids=["loading", "loaded"])
@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "standing still"])
def test_a_python_process_ends_with_a_killed_server_and_not_before(
    server: Server, is_loaded: bool, is_stopped: bool
) -> None:
    if is_loaded:
        server.tell("loaded")
    assert not wait_until(lambda: not is_alive(server.child), timeout_seconds=1)
    if is_stopped:
        os.kill(server.child, signal.SIGSTOP)
    server.process.kill()  # and not waited for yet
    assert wait_until(lambda: not is_alive(server.child), timeout_seconds=30)
    assert wait_until(lambda: not server.shared_memory.exists())


def test_a_server_ends_with_its_killed_python_process(server: Server) -> None:
    server.tell("loaded")
    os.kill(server.child, signal.SIGKILL)
    assert server.process.wait(30) == -signal.SIGKILL
    assert wait_until(lambda: not server.shared_memory.exists())


@pytest.mark.parametrize("words", [(), ("loaded", "release")], ids=["not loaded yet", "unloaded"])
def test_a_python_process_without_work_ends_alone(server: Server, words: tuple[str, ...]) -> None:
    for word in words:
        server.tell(word)
    os.kill(server.child, signal.SIGKILL)
    assert not wait_until(lambda: not is_alive(server.process.pid), timeout_seconds=1)


def test_another_program_than_triton_is_left_alone(program: Server) -> None:
    program.tell("loaded")
    os.kill(program.child, signal.SIGKILL)
    assert wait_until(lambda: not program.shared_memory.exists(), timeout_seconds=30)
    assert is_alive(program.process.pid)
