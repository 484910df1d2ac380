"""Several gateway processes on one port: starts them, restarts those that die, passes signals on.

Python runs one call at a time, so more cores need more processes. They share the port by SO_REUSEPORT: the kernel gives
each new connection to one of them. Each worker is a whole gateway (cache, limits and metrics port of its own) and does
not know the others. A worker whose supervisor is gone drains and ends.
"""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import structlog

from gateway.app.listening.ports import bindable, port_in_use, write_ports
from gateway.app.worker import Worker
from gateway.config.settings import Settings

log = structlog.get_logger("gateway.app.workers")


def run(settings: Settings) -> None:
    """Serves with `settings.listen.workers` processes until SIGTERM or SIGINT; a second one stops at once.

    Raises:
        StartupError: the first start of a worker failed; the others have been stopped.
    """
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    with _reserved_ports(settings) as shared:
        workers = [Worker(i, _settings_of_worker(shared, i)) for i in range(settings.listen.workers)]
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
        if (http := listen.http_port) is not None:
            ports["http_port"] = stack.enter_context(_reserved_port(listen.host, http, "http-port"))
        yield settings.changed(**ports)


@contextmanager
def _reserved_port(host: str, port: int, flag: str) -> Iterator[int]:
    """A port that no other program can take while the block runs; it does not listen.

    Raises:
        PortInUseError: another program has it.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(bindable(host), port, type=socket.SOCK_STREAM)[0]
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
