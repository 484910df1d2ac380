"""A child process of the local stack: log in a file, readiness wait, clean stop, never orphaned.

Does not know what it runs.
"""

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

TETHER = Path(__file__).with_name("tether.py")
POLL_SECONDS = 0.05
SHOWN_LOG_LINES = 20
SHOWN_LINE_LENGTH = 400


class ProcessError(RuntimeError):
    """A child that did not start, ended by itself or did not become ready; the message holds the end of its log."""


class ChildProcess:
    """One child. It gets SIGTERM when the thread that called `start` ends, so call that from a thread that lasts."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_seconds: float = 10,
        log_noise: tuple[str, ...] = (),
    ) -> None:
        """Prepares a process that is not started yet.

        `environment` and `folder` (its working directory) replace this process's own where they are given; `log` gets
        stdout and stderr, and lines of it that begin with one of `log_noise` are left out of error messages;
        `stop_seconds` is how long it may take to end before it is killed.
        """
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = environment
        self._folder = folder
        self._stop_signal = stop_signal
        self._stop_seconds = stop_seconds
        self._log_noise = log_noise
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the child in a session of its own, so that Ctrl-C reaches only us and we stop it in our order.

        Raises:
            ProcessError: it runs already, or its log cannot be written.
        """
        if self.running:
            raise ProcessError(f"{self.name} runs already")
        self._make_log_folder()
        tied = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *self._command]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                tied,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _make_log_folder(self) -> None:
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self.log.touch()
        except OSError as error:
            raise ProcessError(f"{self.log}: the log of {self.name} cannot be written: {error.strerror}") from None

    @property
    def running(self) -> bool:
        """Started, and not ended since."""
        return self._process is not None and self._process.poll() is None

    @property
    def ended(self) -> bool:
        """Started, and ended since."""
        return self._process is not None and not self.running

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            ProcessError: it was never started.
        """
        if self._process is None:
            raise ProcessError(f"{self.name} was not started")
        return self._process.pid

    def wait_ready(self, ready: Callable[[], bool], timeout_seconds: float) -> None:
        """Returns when `ready` says so; `ready` must not raise.

        Raises:
            ProcessError: the child ended before, or the time is up. It is left as it is: call `stop`.
        """
        give_up = time.monotonic() + timeout_seconds
        while not ready():
            if not self.running:
                raise ProcessError(f"{self.name} ended with status {self._status()}; {self.log_tail()}")
            if time.monotonic() > give_up:
                raise ProcessError(f"{self.name} was not ready after {timeout_seconds:g} s; {self.log_tail()}")
            time.sleep(POLL_SECONDS)

    def wait(self) -> int:
        """Blocks until the child ends; its exit status (negative: the signal that ended it)."""
        return self._process.wait() if self._process else 0

    def stop(self, timeout_seconds: float | None = None) -> None:
        """Asks it to end, waits, and kills it with all its children when the time is up. Does nothing if it ended."""
        if self._process is None or not self.running:
            return
        self._process.send_signal(self._stop_signal)
        try:
            self._process.wait(self._stop_seconds if timeout_seconds is None else timeout_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def log_tail(self) -> str:
        """Where the log is and how it ends, for an error message."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.is_file() else ""
        lines = [line[:SHOWN_LINE_LENGTH] for line in text.splitlines() if not line.startswith(self._log_noise)]
        return "\n".join([f"its log {self.log} ends with:", *lines[-SHOWN_LOG_LINES:]])

    def keep_log(self) -> Path:
        """Where the log stays when the child is started once more, which empties the log."""
        return self.log.replace(self.log.with_name(f"{self.log.stem}.ended{self.log.suffix}"))

    def _status(self) -> int | None:
        return self._process.poll() if self._process else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class LocalServer(ABC):
    """A server as a child: ready when `start` returns, stopped cleanly, usable in `with`."""

    def __init__(self, name: str, *, stop_seconds: float) -> None:
        """`stop_seconds`: how long it may take to end before it is killed."""
        self.name = name
        self._stop_seconds = stop_seconds
        self._process: ChildProcess | None = None

    @abstractmethod
    def start(self, timeout_seconds: float = ...) -> None:
        """Returns when the server is ready; see there for what it raises."""

    def stop(self) -> None:
        """Lets it finish, then ends it. Does nothing if it was not started."""
        if self._process:
            self._process.stop(self._stop_seconds)

    @property
    def started(self) -> bool:
        """Whether it was started, and did not fail at that."""
        return self._process is not None

    @property
    def ended(self) -> bool:
        """Started, and ended since."""
        return self._process is not None and self._process.ended

    def keep_log(self) -> Path:
        """See `ChildProcess.keep_log`."""
        return self.process.keep_log()

    @property
    def process(self) -> ChildProcess:
        """The child.

        Raises:
            ProcessError: it was not started.
        """
        if self._process is None:
            raise ProcessError(f"{self.name} was not started")
        return self._process

    def _run(self, process: ChildProcess, ready: Callable[[], bool], timeout_seconds: float) -> None:
        """Starts `process` and waits; one that does not become ready is stopped."""
        self._process = process
        try:
            process.start()
            process.wait_ready(ready, timeout_seconds)
        except BaseException:
            self.stop()
            self._process = None
            raise

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
