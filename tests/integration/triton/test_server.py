"""Life and death of the embedded tritonserver."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.local.processes.ports import LOCALHOST, PortError
from deploy.local.processes.process import ProcessError
from deploy.local.triton.command import triton as triton_command
from deploy.local.triton.server import TritonPorts, TritonServer
from tests.support.processes import is_alive, wait_until

PARENT = """
import sys, time
from collections.abc import Iterator
from pathlib import Path
from deploy.local.triton.server import TritonServer
with TritonServer(Path(sys.argv[1]), log=Path(sys.argv[2])) as server:
    print(server.process.pid, flush=True)
    time.sleep(600)
"""


def shared_memory_of(pid: int) -> list[Path]:
    """What Triton told one of its Python processes to use."""
    names = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return [Path("/dev/shm", name) for name in names if name.startswith("triton_python_backend_shm_region")]


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_stop_ends_the_server_and_its_python_processes(
    model_repository: Path, triton_platform: None, tmp_path: Path
) -> None:
    with TritonServer(model_repository, log=tmp_path / "triton.log") as server:
        family = [server.process.pid, *children_of(server.process.pid)]
        assert len(family) > 1
        assert server.is_ready()
    assert server.process.wait() == 0
    assert not [pid for pid in family if is_alive(pid)]


def test_nothing_is_left_when_the_parent_is_killed(
    model_repository: Path, triton_platform: None, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", PARENT, str(model_repository), str(tmp_path / "triton.log")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        family = [pid, *children_of(pid)]
        parent.kill()
    assert wait_until(lambda: not any(map(is_alive, family)), timeout_seconds=20)


Running = tuple[TritonServer, int, Path]
"""A server, its Python process, and the file of the memory that both share."""


@pytest.fixture
def running(model_repository: Path, triton_platform: None, tmp_path: Path) -> Iterator[Running]:
    with TritonServer(model_repository, log=tmp_path / "triton.log") as server:
        (stub,) = children_of(server.process.pid)
        (memory,) = shared_memory_of(stub)
        assert memory.exists()
        yield server, stub, memory


def test_no_python_process_outlives_a_triton_that_was_killed(running: Running) -> None:
    server, stub, memory = running
    os.kill(server.process.pid, signal.SIGKILL)  # and not waited for: its process id still exists
    assert wait_until(lambda: not is_alive(stub), timeout_seconds=20)
    assert wait_until(lambda: not memory.exists())


def test_a_triton_whose_python_process_was_killed_ends_instead_of_waiting_for_it(running: Running) -> None:
    server, stub, memory = running
    os.kill(stub, signal.SIGKILL)
    assert wait_until(lambda: not server.process.running, timeout_seconds=20)
    assert server.process.wait() == -signal.SIGKILL
    assert wait_until(lambda: not memory.exists())


def test_a_taken_port_is_named_before_anything_starts(
    model_repository: Path, triton_platform: None, tmp_path: Path
) -> None:
    with socket.socket() as other:
        other.bind((LOCALHOST, 0))
        other.listen()
        port = other.getsockname()[1]
        server = TritonServer(model_repository, log=tmp_path / "triton.log", ports=TritonPorts(0, port, 0))
        with pytest.raises(PortError, match=rf"port {port} \(Triton's gRPC\)"):
            server.start()


def test_a_model_that_does_not_load_is_reported_with_triton_s_reason(
    model_repository: Path, triton_platform: None, tmp_path: Path
) -> None:
    damaged = tmp_path / "model_repository"
    shutil.copytree(model_repository, damaged)
    (damaged / "routerdc/1/router.json").unlink()
    with pytest.raises(ProcessError, match=r"tritonserver ended (.|\n)*router\.json is missing"):
        TritonServer(damaged, log=tmp_path / "triton.log").start()


def test_the_command_says_what_to_do_where_nothing_was_exported(tmp_path: Path) -> None:
    result = CliRunner().invoke(triton_command, ["--repository", str(tmp_path / "nothing")])
    assert result.exit_code == 1
    assert "run `routerdc export` first" in result.output
