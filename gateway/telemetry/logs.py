"""Structured logs: one JSON object a line on stderr.

Prompts are never logged: events carry request id, LLM, reason, times and token counts. Nothing here filters; the call
sites do not pass text. What happens for every query is logged at level debug only, and warnings are throttled: an
outage must not bring a flood of them on top. A log that cannot be written (the disk is full, the pipe is closed) loses
lines and fails no call.
"""

import sys
import time
from contextlib import suppress
from typing import Any, TextIO

import structlog


def configure(level: str) -> None:
    """Sets up structlog for the process; `level` is debug, info, warning or error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(_Patient(sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )


class _Patient:
    """A stream whose writer never hears that it cannot be written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Writes, or loses, `text`."""
        with suppress(OSError, ValueError):  # ValueError: closed
            self._stream.write(text)

    def flush(self) -> None:
        """Writes what is buffered, or loses it."""
        with suppress(OSError, ValueError):
            self._stream.flush()


class Throttled:
    """A warning that is logged at most once a second for each cause, with the number of those left out since."""

    def __init__(self, log: Any, event: str, interval_seconds: float = 1.0) -> None:
        self._log = log
        self._event = event
        self._interval_seconds = interval_seconds
        self._due: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def __call__(self, cause: str, **fields: Any) -> None:
        """Logs `fields` unless the same cause was logged a moment ago. Causes must be few: they are remembered."""
        now = time.monotonic()
        if now < self._due.get(cause, 0.0):
            self._left_out[cause] = self._left_out.get(cause, 0) + 1
            return
        self._due[cause] = now + self._interval_seconds
        self._log.warning(self._event, cause=cause, left_out=self._left_out.pop(cause, 0), **fields)
