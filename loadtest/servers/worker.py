"""A program that computes by itself what others serve, as a child: this end of `loadtest.inprocess.measured`."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.closed_loop.chat_overhead import percentile
from loadtest.servers.processes import wait_or_kill

_ROOT = Path(__file__).parents[2]


class WorkerError(Exception):
    """A worker did not start, or ended; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a number of queries took. `took_ms`: of each batch, or of each query from when it was due."""

    queries: int
    seconds: float
    cpu_seconds: float
    took_ms: Sequence[float]
    peak_memory_bytes: int
    counters: Mapping[str, float]

    @property
    def queries_per_second(self) -> float:
        """Over the whole work."""
        return self.queries / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU time for each query, all threads."""
        return self.cpu_seconds / self.queries * 1000

    def latency_ms(self, share: float) -> float:
        """The percentile, `share` from 0 to 1."""
        return percentile(self.took_ms, share)


class Worker:
    """A running worker. One command at a time."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._name = name
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def batches(self, queries: Sequence[str], batch: int) -> Work:
        """Answers `queries`, `batch` at a time, as fast as it can.

        Raises:
            WorkerError: it ended.
        """
        return _work(len(queries), self.ask("batches", queries=queries, batch=batch))

    def arrivals(self, queries: Sequence[str], due_seconds: Sequence[float], batch: int) -> Work:
        """Answers `queries[i]` from `due_seconds[i]` on; at most `batch` that wait go together.

        Raises:
            WorkerError: it ended.
        """
        return _work(len(queries), self.ask("arrivals", queries=queries, due_seconds=list(due_seconds), batch=batch))

    def answers(self, queries: Sequence[str], batch: int) -> list[Any]:
        """What each query is answered with.

        Raises:
            WorkerError: it ended.
        """
        return list(self.ask("answers", queries=queries, batch=batch)["answers"])

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """One command of `loadtest.inprocess.measured`."""
        assert self._process.stdin is not None  # noqa: S101 - it was opened as a pipe
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        return self.result()

    def result(self) -> dict[str, Any]:
        """The next line."""
        assert self._process.stdout is not None  # noqa: S101 - it was opened as a pipe
        if not (line := self._process.stdout.readline()):
            raise self._ended()
        result: dict[str, Any] = json.loads(line)
        return result

    def _ended(self) -> WorkerError:
        return WorkerError(f"{self._name} ended:\n{self._log.read_text(errors='replace')[-2000:]}")


@contextmanager
def worker(
    module: str, *arguments: str, log: Path, python: str = sys.executable, environment: Mapping[str, str] | None = None
) -> Iterator[Worker]:
    """`PYTHON -m loadtest.inprocess.MODULE ARGUMENTS` while the block runs; `environment` is added to this process's.

    Raises:
        WorkerError: it did not start.
    """
    command = [python, "-m", f"loadtest.inprocess.{module}", *arguments]
    variables = {**os.environ, "PYTHONPATH": str(_ROOT), **(environment or {})}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, env=variables)
    try:
        running = Worker(module, process, log)
        running.result()  # it is ready
        yield running
    finally:
        process.stdin and process.stdin.close()
        wait_or_kill(process)
        process.stdout and process.stdout.close()


def _work(queries: int, result: dict[str, Any]) -> Work:
    known = {name: result.pop(name) for name in ("seconds", "cpu_seconds", "took_ms", "peak_memory_bytes")}
    return Work(queries, **known, counters=result)
