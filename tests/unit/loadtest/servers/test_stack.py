"""The stack of a load test: whichever runs is used, one that does not start is told with its log."""

import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest import local_run
from loadtest.servers import stack


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[stack.Stack]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    gateway, triton, envoy = (server.getsockname()[1] for server in servers)
    running = stack.Stack(f"127.0.0.1:{gateway}", f"127.0.0.1:{triton}", f"http://127.0.0.1:{envoy}/v1")
    monkeypatch.setattr(stack, "MAKE_RUN", running)
    yield running
    for server in servers:
        server.close()


def program(folder: Path, script: str) -> str:
    file = folder / "routerdc"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


def test_a_service_that_runs_is_used(listening: stack.Stack, tmp_path: Path) -> None:
    with stack.running_or_own(tmp_path) as running:
        assert running == listening


def test_a_service_of_ones_own_is_started_on_free_ports_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = stack.Stack("127.0.0.1:1", "127.0.0.1:1", "http://127.0.0.1:1/v1")
    monkeypatch.setattr(stack, "MAKE_RUN", nobody)
    script = f"echo \"$@\" > {tmp_path}/flags; trap 'echo stopped > {tmp_path}/end; exit' TERM; echo Serving until\n"
    monkeypatch.setattr(stack, "ROUTERDC", program(tmp_path, script + "while true; do sleep 0.1; done"))
    with stack.running_or_own(tmp_path / "stack") as running:
        flags = (tmp_path / "flags").read_text()
        assert f"--gateway-port={running.gateway_address.partition(':')[2]} " in flags
        assert len(set(running)) == 3
    assert (tmp_path / "end").read_text() == "stopped\n"


def test_a_service_that_does_not_start_is_told_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "ROUTERDC", program(tmp_path, "echo no bundle here; exit 1"))
    with pytest.raises(stack.StackError, match="no bundle here"), stack.own(tmp_path / "stack"):
        pass


def test_what_is_given_comes_after_the_defaults_so_that_it_counts() -> None:
    command = local_run.command(stack.MAKE_RUN, ["RouteUser", "--users", "50"])
    assert command.index("--users=12") < command.index("--users")
    assert "--gateway-address=127.0.0.1:50051" in command
