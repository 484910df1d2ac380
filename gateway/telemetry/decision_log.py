"""Decision log: one JSON object a line for every decision, for audits and offline evaluation.

A thread writes it, so a slow or full disk never holds up a call: what does not fit into a bounded queue, and what
cannot be written, is dropped and counted. A file that was renamed or removed is opened again, so it can be
rotated at any time. Queries are hashed unless their texts are asked for. Several processes may append to one file: a
batch is one write.
"""

import json
import os
import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from gateway.domain.decision import Candidate, Decision
from gateway.domain.observer import Observer
from gateway.domain.query import RouteQuery
from gateway.errors import SettingsError
from gateway.telemetry.logs import Throttled
from gateway.telemetry.metrics import Metrics

MAX_QUEUED_BYTES = 16 * 2**20
_CLOSE_SECONDS = 5.0
_MODE = 0o640

log = structlog.get_logger("gateway.telemetry.decision_log")


class DecisionLog(Observer):
    """An open log; leaving the block writes what is queued."""

    def __init__(
        self, path: Path, metrics: Metrics, *, with_queries: bool = False, max_queued_bytes: int = MAX_QUEUED_BYTES
    ) -> None:
        """Opens `path` for appending.

        Raises:
            SettingsError: that cannot be done.
        """
        self._path = path
        self._metrics = metrics
        self._with_queries = with_queries
        self._max_queued_bytes = max_queued_bytes
        self._lines: deque[bytes] = deque()
        self._queued_bytes = 0
        self._closing = False
        self._changed = threading.Condition()
        self._warn = Throttled(log, "decisions dropped")
        self._needs_newline = False  # after a write that may have left half a line
        try:
            self._file = self._open()
        except OSError as error:
            raise SettingsError(f"decision_log_file cannot be written: {error}") from None
        self._thread = threading.Thread(target=self._write_all, name="decision-log", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(_CLOSE_SECONDS)

    def decided(self, query: RouteQuery, decision: Decision) -> None:
        """Queues one line, or drops it; never waits."""
        line = _line(query, decision, self._with_queries)
        with self._changed:
            fits = self._queued_bytes + len(line) <= self._max_queued_bytes
            if fits:
                self._lines.append(line)
                self._queued_bytes += len(line)
                self._changed.notify()
        if not fits:
            self._drop("queue_full", 1)

    def _write_all(self) -> None:
        while lines := self._next():
            try:
                self._write(lines)
            except OSError as error:
                self._needs_newline = True
                self._drop("write_failed", len(lines), error=str(error))

    def _next(self) -> list[bytes]:
        """Waits for lines; none when the log is closing and everything has been written."""
        with self._changed:
            while not self._lines and not self._closing:
                self._changed.wait()
            lines = list(self._lines)
            self._lines.clear()
            self._queued_bytes = 0
        return lines

    def _write(self, lines: Sequence[bytes]) -> None:
        if self._was_rotated():
            os.close(self._file)
            self._file = self._open()
        content = memoryview(b"".join([b"\n", *lines] if self._needs_newline else lines))
        while content:
            content = content[os.write(self._file, content) :]
        self._needs_newline = False

    def _was_rotated(self) -> bool:
        try:
            there, ours = self._path.stat(), os.fstat(self._file)
        except FileNotFoundError:
            return True
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def _open(self) -> int:
        # Not blocking: a FIFO without a reader is refused, and a full one loses lines, which are counted.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        return os.open(self._path, flags, _MODE)

    def _drop(self, cause: str, lines: int, **fields: Any) -> None:
        self._metrics.decision_log_dropped(cause, lines)
        self._warn(cause, **fields)


def query_hash(text: str) -> str:
    """What stands for a query in the log: BLAKE2b with 16 bytes, of the UTF-8 text."""
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _line(query: RouteQuery, decision: Decision, with_query: bool) -> bytes:
    row = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request_id": decision.request_id,
        "caller": query.caller or None,
        "query_hash": query_hash(query.text),
        **({"question": query.text} if with_query else {}),
        "llm": decision.candidates[0].llm,
        "reason": decision.reason.value,
        "candidates": [_candidate(candidate) for candidate in decision.candidates],
        "margin": decision.margin,
        "familiarity": decision.familiarity,
        "token_count": decision.token_count,
        "truncated": decision.truncated,
        "bundle_id": decision.bundle_id or None,
        "total_ms": decision.total_ns / 1e6,
    }
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "llm": candidate.llm,
        "score": candidate.score,
        "adjusted_score": candidate.adjusted_score,
        "endpoint": candidate.endpoint.address,
    }
