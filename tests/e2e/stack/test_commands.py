"""`routerdc demo` and `routerdc serve` as people use them: they say what is wrong, and leave nothing behind."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deploy.local.command import SHIPPED_BUNDLE
from deploy.local.stack import ROUTERDC
from routerdc_client import RouterClient
from routerdc_contract.v1 import router_pb2 as pb
from tests.e2e.conftest import ANY_PORTS, Stack
from tests.support.processes import wait_until

TIMEOUT_SECONDS = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the tests of this file, so that the bundle is exported once."""
    return tmp_path_factory.mktemp("commands")


def routerdc(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(ROUTERDC), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)


@pytest.fixture
def demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`routerdc demo` that has routed its samples and serves."""
    command = [str(ROUTERDC), "demo", "--folder", str(folder), *ANY_PORTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not (lines and lines[-1].startswith("Serving until")):
            lines.append(process.stdout.readline())
            assert lines[-1], f"it ended: {''.join(lines)}"
        yield process
        process.kill()


def descendants(pid: int) -> set[int]:
    """Processes that `pid` started, and that these started."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout.split("\n")[
        1:
    ]
    parents = {int(line.split()[0]): int(line.split()[1]) for line in listed if line}
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    """Those of `pids` that still run (a process that ended and was not reaped yet does not)."""
    return {pid for pid in pids if (stat := Path(f"/proc/{pid}/stat")).exists() and ") Z " not in stat.read_text()}


def wait_until_gone(pids: set[int], timeout_seconds: float = 30) -> set[int]:
    give_up = time.monotonic() + timeout_seconds
    while (left := alive(pids)) and time.monotonic() < give_up:
        time.sleep(0.1)
    return left


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_that_was_started(demo: subprocess.Popen[str], number: signal.Signals) -> None:
    started = descendants(demo.pid)
    assert len(started) >= 5  # demo endpoints, tritonserver and its model's process, the gateway, Envoy
    demo.send_signal(number)
    assert demo.wait(TIMEOUT_SECONDS) == 0
    assert wait_until_gone(started, timeout_seconds=2) == set()


def test_nothing_is_orphaned_when_the_stack_is_killed(demo: subprocess.Popen[str]) -> None:
    started = descendants(demo.pid)
    demo.kill()
    assert wait_until_gone(started) == set()


def test_it_says_so_and_stops_when_a_part_dies(demo: subprocess.Popen[str]) -> None:
    started = descendants(demo.pid)
    gateway = next(pid for pid in started if b"routerdc\0gateway" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(gateway, signal.SIGKILL)
    assert demo.wait(TIMEOUT_SECONDS) == 1
    assert demo.stdout is not None
    assert "gateway ended by itself" in demo.stdout.read()
    assert wait_until_gone(started, timeout_seconds=2) == set()


def test_what_the_service_can_do_without_for_a_while_is_started_again(
    demo: subprocess.Popen[str], folder: Path
) -> None:
    started = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in descendants(demo.pid)}
    os.kill(next(pid for pid, command in started.items() if b"/tritonserver\0" in command), signal.SIGABRT)
    assert demo.stdout is not None
    lines = iter(demo.stdout.readline, "")
    port = json.loads((folder / "gateway.json").read_text())["grpc"]
    with RouterClient(f"127.0.0.1:{port}") as router:
        assert any("the default LLMs answer until it is back" in line for line in lines)
        assert router.route("Which number follows 7?").reason == pb.REASON_FALLBACK
        assert any("tritonserver is back" in line for line in lines)
        assert wait_until(lambda: router.route("Which number follows 8?").reason != pb.REASON_FALLBACK, 30)
        os.kill(next(pid for pid, command in started.items() if b"routerdc\0envoy-config" in command), signal.SIGKILL)
        assert any("Envoy keeps the endpoints that it knows until it is back" in line for line in lines)
        assert any("routerdc envoy-config is back" in line for line in lines)
    assert (folder / "logs" / "triton.ended.log").stat().st_size > 0
    assert (folder / "logs" / "envoy-config.ended.log").stat().st_size > 0


def test_a_port_in_use_is_named_with_what_to_do(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = routerdc("demo", "--check", "--folder", folder, *ANY_PORTS, f"--gateway-port={port}")
    assert result.returncode == 1
    assert str(port) in result.stderr
    assert "--gateway-port" in result.stderr


def test_serve_refuses_endpoints_whose_names_differ_from_the_bundles(stack: Stack, tmp_path: Path) -> None:
    content = yaml.safe_load(stack.endpoints_file.read_text())
    renamed = content["default"][0]
    content["llms"]["an/other"] = content["llms"].pop(renamed)
    content["default"] = ["an/other"]
    (tmp_path / "endpoints.yaml").write_text(yaml.safe_dump(content))
    result = routerdc(
        "serve",
        "--bundle",
        SHIPPED_BUNDLE,
        "--folder",
        tmp_path,
        "--endpoints-file",
        tmp_path / "endpoints.yaml",
        *ANY_PORTS,
    )
    assert result.returncode == 1
    assert f"missing in endpoints.yaml: {renamed}" in result.stderr
    assert "not in the bundle: an/other" in result.stderr
