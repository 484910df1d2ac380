"""One gateway process under a supervisor: started, listened to, replaced when it ends or hangs, and ended in time."""

import asyncio
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import structlog

from gateway.app import server
from gateway.app.listening.ports import Ports
from gateway.app.process.heartbeat import Pulse
from gateway.app.process.shutdown import MARGIN_SECONDS
from gateway.config.settings import Settings
from gateway.errors import StartupError, WorkerError
from gateway.telemetry import logs

log = structlog.get_logger("gateway.app.workers")

_processes = multiprocessing.get_context("spawn")  # grpc does not survive a fork

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
_HEALTHY_SECONDS = 60.0  # a process that lived that long died of something new
_START_MARGIN_SECONDS = 60.0  # beside startup_timeout_seconds: Python, its imports, a busy machine


class Worker:
    """One process after the other with the same settings."""

    def __init__(self, index: int, settings: Settings) -> None:
        self._index = index
        self._settings = settings
        self._process: Any = None  # multiprocessing has no public name for the spawned kind
        self._pipe: Connection | None = None
        self._pulse: Pulse | None = None
        self._stopping = False

    async def start(self) -> Ports:
        """Starts the process and waits until it serves.

        Raises:
            StartupError: it cannot.
        """
        self._pipe, theirs = _processes.Pipe(duplex=False)
        arguments = (self._settings, theirs)
        self._process = _processes.Process(target=_work, args=arguments, name=f"gateway-{self._index}")
        self._process.start()
        theirs.close()
        outcome = await self._announced()
        if not isinstance(outcome, Ports):
            if self._stopping:
                return Ports(0, 0)
            raise WorkerError(f"worker {self._index}: {outcome}")
        self._settings = self._settings.changed(metrics_port=outcome.metrics)
        self._pulse = Pulse(self._pipe.fileno(), self._settings.listen.worker_timeout_seconds, self._hangs)
        log.info("worker serves", worker=self._index, pid=self._process.pid, metrics=outcome.metrics)
        return outcome

    async def keep(self) -> None:
        """Starts the process again whenever it ends, with growing pauses where it does not live long."""
        pause_seconds, started = FIRST_PAUSE_SECONDS, time.monotonic()
        while True:
            await self.ended()
            if self._stopping:
                return
            if time.monotonic() - started > _HEALTHY_SECONDS:
                pause_seconds = FIRST_PAUSE_SECONDS
            code = self._process.exitcode
            log.error("worker died", worker=self._index, exit_code=code, restart_in_seconds=pause_seconds)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
            if self._stopping:
                return
            started = time.monotonic()
            try:
                await self.start()
            except StartupError as error:
                log.error("worker did not start", worker=self._index, problem=str(error))

    async def ended(self) -> None:
        """Waits for the end of the process."""
        if self._process is None:
            return
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        self._forget_pipe()

    def stop(self) -> None:
        """Makes it drain, and not come back; the second time, stop at once. Its end comes in time even if it hangs."""
        grace_seconds = self._settings.shutdown.drain_delay_seconds + self._settings.shutdown.grace_seconds
        seconds = MARGIN_SECONDS if self._stopping else grace_seconds + 2 * MARGIN_SECONDS
        self._stopping = True
        self.signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(seconds, self.signal, signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Passes a signal on, if there is a process."""
        if self._process is not None and self._process.is_alive():
            os.kill(self._process.pid, number)

    async def _announced(self) -> Any:
        """The ports of the new process, or why it has none."""
        assert self._pipe is not None  # noqa: S101 - made just before
        seconds = self._settings.scoring.startup_timeout_seconds + _START_MARGIN_SECONDS
        alarm = asyncio.get_running_loop().call_later(seconds, self.signal, signal.SIGKILL)
        try:
            return await asyncio.to_thread(self._pipe.recv)
        except (EOFError, OSError):
            return "it ended before it served; its log says more"
        finally:
            alarm.cancel()

    def _hangs(self) -> None:
        seconds = self._settings.listen.worker_timeout_seconds
        log.error("worker hangs: it is ended", worker=self._index, pid=self._process.pid, silent_seconds=seconds)
        self.signal(signal.SIGKILL)

    def _forget_pipe(self) -> None:
        if self._pulse is not None:
            self._pulse.stop()
        if self._pipe is not None:
            self._pipe.close()
        self._pulse = self._pipe = None


def _work(settings: Settings, supervisor: Connection) -> None:
    """The worker's side: serves, and tells the supervisor its ports, or why not, and then that it lives."""
    os.setpgrp()  # Ctrl-C reaches the supervisor alone, which passes it on once
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to read again
    logs.configure(settings.logs.log_level)
    parent = multiprocessing.parent_process()
    try:
        lifeline = None if parent is None else parent.sentinel
        server.run(settings, supervisor.send, lifeline, supervisor.fileno())
    except StartupError as error:
        with suppress(OSError):
            supervisor.send(str(error))
        raise SystemExit(1) from None
