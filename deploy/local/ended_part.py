"""A part that ended by itself is started again, where the rest of the service can do without it for a while.

Triton has faults that end it (docs/explanation/faults.md): until it is ready, the gateway answers with its default
LLMs. Without what renders Envoy's files, Envoy goes on with the endpoints that it knows.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import click

from deploy.local.processes.ports import PortError
from deploy.local.processes.process import ProcessError

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
STEADY_SECONDS = 120.0
"""A part that ran for so long is waited for as little as the first time."""


class Part(Protocol):
    """A process of the service."""

    name: str

    @property
    def ended(self) -> bool:
        """Started, and ended since."""

    def start(self) -> None:
        """Starts it again.

        Raises:
            PortError, ProcessError: it did not start.
        """

    def keep_log(self) -> Path:
        """Where the log of the one that ended stays."""


class EndedPart:
    """Looks after `part`: each start that does not last doubles the time before the next one."""

    def __init__(self, part: Part, meanwhile: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`meanwhile` says what the service does without it."""
        self._part = part
        self._meanwhile = meanwhile
        self._clock = clock
        self._started = clock()
        self._wait_seconds = FIRST_WAIT_SECONDS
        self._due: float | None = None  # None: it runs, or was never started

    def look(self) -> None:
        """Starts it again when its time has come; where that fails, the rest goes on."""
        if self._due is None:
            if self._part.ended:
                self._ended()
        elif self._clock() >= self._due:
            self._start()

    def _ended(self) -> None:
        kept = self._part.keep_log()
        if self._clock() - self._started > STEADY_SECONDS:
            self._wait_seconds = FIRST_WAIT_SECONDS
        click.echo(f"{self._part.name} ended by itself: {self._meanwhile} until it is back; its log: {kept}", err=True)
        self._wait()

    def _start(self) -> None:
        try:
            self._part.start()
        except (PortError, ProcessError) as error:
            click.echo(f"{self._part.name} did not come back: {error}", err=True)
            self._wait()
            return
        self._due, self._started = None, self._clock()
        click.echo(f"{self._part.name} is back", err=True)

    def _wait(self) -> None:
        self._due = self._clock() + self._wait_seconds
        self._wait_seconds = min(2 * self._wait_seconds, LONGEST_WAIT_SECONDS)
