"""Locust on the whole stack: calls past their deadline, where a ramp ends, wrong settings."""

import re
import socket
from pathlib import Path

from tests.e2e.conftest import Stack
from tests.e2e.stack.locust_run import FILE, LOADTEST, locust


def test_calls_end_at_their_deadline(stack: Stack, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and never says a word
        address = f"--triton-address=127.0.0.1:{silent.getsockname()[1]}"
        run = locust(stack, tmp_path, "TritonUser", "--users=1", "--run-time=3s", "--deadline-ms=200", address)
    assert run.returncode == 1
    assert "gRPC ModelInfer: CallFailure('DEADLINE_EXCEEDED')" in run.stderr


def test_a_shape_is_added_by_a_second_file(stack: Stack, tmp_path: Path) -> None:
    both = f"{FILE},{LOADTEST}/shapes/ramp.py"
    run = locust(stack, tmp_path, "RouteUser", "--users=3", "--run-time=20s", "--ramp-seconds=1", file=both)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Shape test updating to 2 users" in run.stderr
    assert re.search(r"saturated at about \d users, [\d.]+ answers/s", run.stderr)


def test_a_wrong_setting_ends_the_run_before_it_starts(stack: Stack, tmp_path: Path) -> None:
    run = locust(stack, tmp_path, "RouteUser", "--repeat-share=2")
    assert run.returncode == 1
    assert "error: --repeat-share" in run.stderr
    assert not list(tmp_path.glob("run_timings.csv"))
