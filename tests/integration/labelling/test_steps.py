"""Steps of a round: commands in processes of their own."""

import asyncio
import multiprocessing
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from labelling.refresh import steps
from labelling.refresh.steps import run_step
from tests.support.waiting import until


def test_a_step_has_the_exit_status_and_the_output_of_its_command() -> None:
    code = (
        "from labelling.refresh import steps; steps.IMPORTED = []; "
        "print('status', steps.run_step(['--version']), steps.run_step(['data', 'check', '/nowhere']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "routerdc, version" in done.stdout
    assert "status 0 2" in done.stdout
    assert "/nowhere" in done.stderr


class ToldError(Exception):
    """What the handler of a signal raises."""


def test_whoever_is_told_to_stop_leaves_no_step_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "IMPORTED", [])  # the stand-ins need neither torch nor Transformers

    def told(*_: object) -> None:
        raise ToldError

    def tell() -> None:
        try:
            asyncio.run(until((tmp_path / "endpoints.yaml").is_file, seconds=60))
        finally:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, told)
    teller = threading.Thread(target=tell)
    teller.start()
    try:
        with pytest.raises(ToldError):
            run_step(["stand-ins", "--folder", str(tmp_path), "--prompts", "6"])
    finally:
        teller.join()
        signal.signal(signal.SIGUSR1, before)
    assert multiprocessing.active_children() == []
