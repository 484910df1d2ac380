import subprocess
from pathlib import Path

from loadtest.servers.processes import ROUTERDC, free_ports, routerdc_of


def test_free_ports_differ() -> None:
    assert len(set(free_ports(8))) == 8


def test_the_command_of_a_checkout_runs_in_its_own_environment_with_its_own_code(tmp_path: Path) -> None:
    own = tmp_path / ".venv" / "bin" / "routerdc"
    own.parent.mkdir(parents=True)
    own.write_text('#!/bin/sh\necho "$PYTHONPATH" "$1"\n')
    own.chmod(0o755)
    told = subprocess.run([*routerdc_of(tmp_path), "gateway"], capture_output=True, text=True, check=True).stdout
    assert told.split() == [str(tmp_path), "gateway"]


def test_the_command_of_a_checkout_without_an_environment_is_that_of_this_one(tmp_path: Path) -> None:
    assert routerdc_of(tmp_path)[-1] == ROUTERDC
