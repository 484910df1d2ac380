"""A process of its own for each test: it is what ends."""

import signal
import subprocess
import sys

import pytest

PROCESS = """
import asyncio, threading, time, uvloop
from gateway.app.process import shutdown

shutdown.MARGIN_SECONDS = {margin_seconds}

async def main():
    stopped = asyncio.Event()
    shutdown.Ending(stopped.set, 0.1).on_signals()
    print("ready", flush=True)
    {work}
    await stopped.wait()

uvloop.run(main())
"""
HANGS = {
    "in Python": "while True: pass",
    "in the system": "time.sleep(600)",
    "in a lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "in a thread": "await asyncio.to_thread(time.sleep, 600)",
    "after it was stopped": "await stopped.wait(); time.sleep(600)",
}


def ended_by(number: signal.Signals, work: str, margin_seconds: float) -> tuple[int, str]:
    command = [sys.executable, "-c", PROCESS.format(work=work, margin_seconds=margin_seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, log = process.communicate(timeout=60)
        return process.returncode, log


@pytest.mark.parametrize("work", HANGS.values(), ids=HANGS)
def test_it_ends_whatever_hangs_and_says_where(work: str) -> None:
    status, log = ended_by(signal.SIGTERM, work, margin_seconds=0)
    assert status == 1
    assert "Timeout" in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_where_nothing_hangs(number: signal.Signals) -> None:
    assert ended_by(number, "pass", margin_seconds=60) == (0, "")
