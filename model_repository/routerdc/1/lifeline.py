"""Ties Triton and its Python process together: where one ends, however that happens, the other one ends, too.

Neither sees to that. A Triton whose Python process was killed during a batch (the system's memory was used up, say)
waits for its answer without end, and says all the while that it is ready. A Python process asks whether Triton's
process id exists, which it does as long as nobody has waited for it; it may wait for a lock that Triton held; SIGTERM
is ignored. PR_SET_PDEATHSIG cannot be used: it is sent when the thread that started us ends, and Triton's loading
threads do.

So a third process watches both, which no lock of theirs and no pause holds up: this file, as a program. It also removes
the shared memory that a Triton leaves that could not end properly.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

GRACE_SECONDS = 3.0
"""For Triton's own way of ending, which removes shared memory, too"""
SERVER = "tritonserver"  # what else has loaded the model (a program with Triton in it) is not ours to end
_LOADED, _RELEASED = b"+", b"."
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux has it


class Lifeline:
    """From the moment when it is made this process ends with Triton, and after `loaded` Triton with this process."""

    def __init__(self) -> None:
        """To be made by the process that Triton has started."""
        python = sys.executable or shutil.which("python3") or "python3"
        processes = str(os.getppid()), str(os.getpid())
        command = [python, "-I", "-S", str(Path(__file__).resolve()), *processes, *_shared_memory()]
        self._watcher = subprocess.Popen(command, stdin=subprocess.PIPE, cwd="/", start_new_session=True)

    def loaded(self) -> None:
        """Triton gives this process batches from now on. Before, it takes its end for a model that does not load."""
        assert self._watcher.stdin is not None  # noqa: S101 - it is a pipe
        with suppress(BrokenPipeError):  # the watcher has ended, which nothing else should
            self._watcher.stdin.write(_LOADED)
            self._watcher.stdin.flush()

    def release(self) -> None:
        """Triton unloads the model: each may end alone."""
        with suppress(subprocess.TimeoutExpired):
            self._watcher.communicate(_RELEASED, timeout=GRACE_SECONDS)


def _shared_memory() -> list[str]:
    """Names of the shared memory that Triton made for this process: arguments of its command line."""
    arguments = Path("/proc/self/cmdline").read_bytes().decode(errors="replace").split("\0")
    return [name for name in arguments if name and "/" not in name and (_SHARED_MEMORY / name).is_file()]


def watch(triton: int, python: int, shared_memory: Sequence[str]) -> None:
    """Returns when one has ended and the other was made to, or when the model is released."""
    with suppress(ProcessLookupError):  # both have ended
        python_end = os.pidfd_open(python)
        try:
            triton_end = os.pidfd_open(triton)
        except ProcessLookupError:
            _end(python_end)
            raise
        word, is_loaded = _word(triton_end, python_end), False
        if word == _LOADED:
            word, is_loaded = _word(triton_end, python_end), True
        if word == _RELEASED:
            return
        if _has_ended(triton_end):
            _end(python_end)
        elif is_loaded and Path(f"/proc/{triton}/comm").read_text().strip() == SERVER:
            print("the Python process of a model has ended: Triton would wait for it, and is ended", file=sys.stderr)
            signal.pidfd_send_signal(triton_end, signal.SIGKILL)
            signal.pidfd_send_signal(triton_end, signal.SIGTERM)  # the first process of a container takes nothing else
        elif not is_loaded:
            return  # Triton knows, and goes on
    for name in shared_memory:
        (_SHARED_MEMORY / name).unlink(missing_ok=True)


def _word(*processes: int) -> bytes:
    """The next byte from stdin; none where one of `processes` has ended."""
    ready, _, _ = select.select([*processes, sys.stdin], [], [])
    return os.read(sys.stdin.fileno(), 1) if sys.stdin in ready else b""


def _has_ended(process: int, within_seconds: float = 0.0) -> bool:
    return bool(select.select([process], [], [], within_seconds)[0])


def _end(process: int) -> None:
    """Kills a process that has not ended when the grace is over."""
    if not _has_ended(process, GRACE_SECONDS):
        signal.pidfd_send_signal(process, signal.SIGKILL)


if __name__ == "__main__":
    watch(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
