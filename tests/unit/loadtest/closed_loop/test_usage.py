"""CPU time and memory of process trees."""

import os
import subprocess
import sys
import threading
import time

from loadtest.closed_loop.usage import all_cores, apart, cpu_seconds, on_cores, peak_memory_bytes, tree

_PARENT = "import subprocess, sys; print('up', flush=True); subprocess.run([sys.executable, '-c', {!r}])"
_BUSY = """
import time
b = bytearray(50_000_000)
print("grown", flush=True)
while time.process_time() < 0.3:
    pass
time.sleep(30)
"""


def test_cpu_time_of_a_process_grows_with_its_work() -> None:
    before = cpu_seconds(os.getpid())
    due = time.process_time() + 0.002
    while time.process_time() < due:
        pass
    assert cpu_seconds(os.getpid()) - before >= 0.002


def test_a_tree_has_the_work_and_memory_of_its_children() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT.format(_BUSY)], stdout=subprocess.PIPE, start_new_session=True
    ) as parent:
        try:
            assert parent.stdout is not None
            assert [parent.stdout.readline() for _ in range(2)] == [b"up\n", b"grown\n"]
            due = time.monotonic() + 20
            while cpu_seconds(parent.pid) < 0.25 and time.monotonic() < due:
                time.sleep(0.05)
            assert len(tree(parent.pid)) == 2
            assert cpu_seconds(parent.pid) >= 0.25
            assert peak_memory_bytes(parent.pid) > 50_000_000
        finally:
            os.killpg(parent.pid, 9)


def test_process_that_is_gone_counts_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    assert (cpu_seconds(gone.pid), peak_memory_bytes(gone.pid)) == (0, 0)


def test_what_starts_on_some_cores_stays_there() -> None:
    before, (one, others) = all_cores(), apart()
    assert (len(one), one | others) == (1, before)
    with on_cores(one), subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert all_cores() == one
        child_cores = os.sched_getaffinity(child.pid)
    assert (child_cores, all_cores()) == (one, before)


def test_threads_that_run_already_move_too() -> None:
    one, done = apart()[0], threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    with on_cores(one):
        cores = os.sched_getaffinity(thread.native_id or 0)
    done.set()
    thread.join()
    assert cores == one
