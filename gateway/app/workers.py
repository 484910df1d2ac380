"""Several gateway processes on one port: starts them, restarts those that die, passes signals on.

Python runs one call at a time, so more cores need more processes. They share the port by SO_REUSEPORT: the kernel gives
each new connection to one of them. Each worker is a whole gateway (cache, limits and metrics port of its own) and does
not know the others. A worker whose supervisor is gone drains and ends.
"""

import asyncio
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Any

import structlog

from gateway.app import server
from gateway.app.ports import Ports, port_in_use, write_ports
from gateway.config.settings import Settings
from gateway.errors import StartupError, WorkerError
from gateway.telemetry import logs

log = structlog.get_logger("gateway.app.workers")

_processes = multiprocessing.get_context("spawn")  # grpc does not survive a fork

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
_HEALTHY_SECONDS = 60.0  # who lived that long died of something new


def run(settings: Settings) -> None:
    """Serves with `settings.listen.workers` processes until SIGTERM or SIGINT; a second one stops at once.

    Raises:
        StartupError: the first start of a worker failed; the others have been stopped.
    """
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    with _reserved_ports(settings) as shared:
        workers = [_Worker(i, _settings_of_worker(shared, i)) for i in range(settings.listen.workers)]
        stopping = asyncio.Event()

        def stop() -> None:
            stopping.set()
            for worker in workers:
                worker.stop()

        def reload() -> None:
            for worker in workers:
                worker.signal(signal.SIGHUP)

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGHUP, reload)
        try:
            ports = await asyncio.gather(*(worker.start() for worker in workers))
            if settings.listen.ports_file is not None and not stopping.is_set():
                write_ports(settings.listen.ports_file, ports[0], [each.metrics for each in ports])
            await asyncio.gather(*(worker.keep() for worker in workers))
        finally:
            for worker in workers:
                worker.stop()
            await asyncio.gather(*(worker.ended() for worker in workers))
    log.info("all workers stopped")


class _Worker:
    """One process after the other with the same settings."""

    def __init__(self, index: int, settings: Settings) -> None:
        self._index = index
        self._settings = settings
        self._process: Any = None  # multiprocessing has no public name for the spawned kind
        self._stopping = False

    async def start(self) -> Ports:
        """Starts the process and waits until it serves.

        Raises:
            StartupError: it cannot.
        """
        ours, theirs = _processes.Pipe(duplex=False)
        self._process = _processes.Process(target=_work, args=(self._settings, theirs), name=f"gateway-{self._index}")
        self._process.start()
        theirs.close()
        try:
            outcome = await asyncio.to_thread(ours.recv)
        except EOFError:
            outcome = "it ended before it served; its log says more"
        finally:
            ours.close()
        if not isinstance(outcome, Ports):
            if self._stopping:
                return Ports(0, 0)
            raise WorkerError(f"worker {self._index}: {outcome}")
        self._settings = self._settings.changed(metrics_port=outcome.metrics)
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

    def stop(self) -> None:
        """Makes it drain, and not come back; the second time, stop at once."""
        self._stopping = True
        self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Passes a signal on, if there is somebody."""
        if self._process is not None and self._process.is_alive():
            os.kill(self._process.pid, number)


def _work(settings: Settings, supervisor: Connection) -> None:
    """The worker's side: serves, and tells the supervisor its ports, or why not."""
    os.setpgrp()  # Ctrl-C reaches the supervisor alone, which passes it on once
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to read again
    logs.configure(settings.telemetry.log_level)
    parent = multiprocessing.parent_process()
    try:
        server.run(settings, supervisor.send, None if parent is None else parent.sentinel)
    except StartupError as error:
        supervisor.send(str(error))
        raise SystemExit(1) from None


def _settings_of_worker(settings: Settings, index: int) -> Settings:
    metrics_port = settings.listen.metrics_port + index if settings.listen.metrics_port else 0
    return settings.changed(metrics_port=metrics_port, ports_file=None)


@contextmanager
def _reserved_ports(settings: Settings) -> Iterator[Settings]:
    """`settings` with the ports that the workers share.

    Raises:
        PortInUseError: another program has one.
    """
    listen = settings.listen
    with ExitStack() as stack:
        ports = {"port": stack.enter_context(_reserved_port(listen.host, listen.port, "port"))}
        if (ext_proc := listen.ext_proc_port) is not None:
            ports["ext_proc_port"] = stack.enter_context(_reserved_port(listen.host, ext_proc, "ext-proc-port"))
        yield settings.changed(**ports)


@contextmanager
def _reserved_port(host: str, port: int, flag: str) -> Iterator[int]:
    """A port that no other program can take while the block runs; it does not listen.

    Raises:
        PortInUseError: another program has it.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:  # sharing would hide that another gateway listens there
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        shared = socket.socket(family)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shared.bind(address)
    except OSError:
        raise port_in_use(host, port, flag) from None
    with shared:
        yield int(shared.getsockname()[1])
