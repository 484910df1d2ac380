"""A Triton that ended by itself is started again; until it is ready, the gateway answers with its default LLMs.

Triton has faults that end it (docs/explanation/faults.md). Nothing else of the service needs to end with it.
"""

import time
from collections.abc import Callable

import click

from deploy.local.processes.ports import PortError
from deploy.local.processes.process import ProcessError
from deploy.local.triton.server import TritonServer

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
STEADY_SECONDS = 120.0
"""A Triton that ran for so long is waited for as little as the first time."""


class EndedTriton:
    """Looks after `triton`: each start that does not last doubles the time before the next one."""

    def __init__(self, triton: TritonServer, clock: Callable[[], float] = time.monotonic) -> None:
        self._triton = triton
        self._clock = clock
        self._started = clock()
        self._wait_seconds = FIRST_WAIT_SECONDS
        self._due: float | None = None  # None: it runs, or was never started

    def look(self) -> None:
        """Starts it again when its time has come; where that fails, the rest goes on."""
        if self._due is None:
            if self._triton.started and not self._triton.process.running:
                self._ended()
        elif self._clock() >= self._due:
            self._start()

    def _ended(self) -> None:
        kept = self._triton.process.keep_log()
        if self._clock() - self._started > STEADY_SECONDS:
            self._wait_seconds = FIRST_WAIT_SECONDS
        click.echo(f"tritonserver ended by itself: the default LLMs answer until it is back; its log: {kept}", err=True)
        self._wait()

    def _start(self) -> None:
        try:
            self._triton.start()
        except (PortError, ProcessError) as error:
            click.echo(f"tritonserver did not come back: {error}", err=True)
            self._wait()
            return
        self._due, self._started = None, self._clock()
        click.echo("tritonserver is back", err=True)

    def _wait(self) -> None:
        self._due = self._clock() + self._wait_seconds
        self._wait_seconds = min(2 * self._wait_seconds, LONGEST_WAIT_SECONDS)
