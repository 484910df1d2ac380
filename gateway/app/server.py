"""Runs the gateway: with assembly.py the only module that knows all the others.

listen → wait for Triton and check names → serve → SIGTERM: not serving, answer what is in flight, stop
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

import structlog
import uvloop

from gateway.app import build, readiness
from gateway.app.health import Health
from gateway.app.listening.http_server import http_server
from gateway.app.listening.metrics_server import metrics_server
from gateway.app.listening.ports import Ports, write_ports
from gateway.app.listening.servers import Servers
from gateway.app.process.event_loop import Loop
from gateway.app.process.heartbeat import beat
from gateway.app.process.memory import c_library_trim, give_back
from gateway.app.process.shutdown import Ending
from gateway.app.query_path import build_router
from gateway.app.reload import Reloader
from gateway.config import endpoints_file
from gateway.config.settings import Settings
from gateway.grpc_api.auth import Authentication
from gateway.grpc_api.servicer import RouterServicer
from gateway.http_api.application import HttpApi
from gateway.openai.bodies.reader import Reader
from gateway.openai.routing import Routing
from gateway.openai.servicer import ExternalProcessor
from gateway.pool.endpoint_health import EndpointHealth
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.pool.probes import Prober
from gateway.scoring.nearest import Nearest
from gateway.telemetry.metrics import Metrics

log = structlog.get_logger("gateway.app.server")


def run(
    settings: Settings,
    announce: Callable[[Ports], None] | None = None,
    lifeline: int | None = None,
    heartbeat: int | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT; a second one while calls are still being answered stops at once.

    Whatever hangs then, the process ends MARGIN_SECONDS after the grace.

    Args:
        settings: how.
        announce: called with the ports once the gateway serves.
        lifeline: a file descriptor; when it becomes readable, that is SIGTERM, too.
        heartbeat: a file descriptor that tells the supervisor that this process works.

    Raises:
        StartupError: it cannot start.
    """
    uvloop.run(_run(settings, announce, lifeline, heartbeat), loop_factory=Loop)


async def _run(
    settings: Settings, announce: Callable[[Ports], None] | None, lifeline: int | None, heartbeat: int | None
) -> None:
    loop, serve = asyncio.get_running_loop(), asyncio.current_task()
    assert serve is not None  # noqa: S101 - we are in one
    ending = Ending(serve.cancel, settings.shutdown.drain_delay_seconds + settings.shutdown.grace_seconds)
    ending.on_signals()
    if lifeline is not None:
        loop.add_reader(lifeline, _end_of_life, lifeline, ending)
    beating: asyncio.Task[None] | None = None
    with suppress(asyncio.CancelledError):
        async with serving(settings) as ports:
            _keep_out_of_collections()
            if settings.listen.ports_file is not None:
                write_ports(settings.listen.ports_file, ports)
            if announce is not None:
                announce(ports)
            if heartbeat is not None:  # after the announcement, which goes the same way
                beating = asyncio.create_task(beat(heartbeat))
            await asyncio.Event().wait()
    if beating is not None:
        beating.cancel()
    log.info("stopped")


def _keep_out_of_collections() -> None:
    """Freezes the objects of the start-up: they live as long as the process.

    Scanning them in every full collection would stall the calls in flight for about 40 ms.
    """
    gc.collect()
    gc.freeze()


def _end_of_life(lifeline: int, ending: Ending) -> None:
    asyncio.get_running_loop().remove_reader(lifeline)
    ending.begin()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Ports]:
    """A gateway that serves while the block runs, and is drained at its end.

    Raises:
        StartupError: it cannot start.
    """
    metrics = Metrics()
    reloader = Reloader(metrics, settings.files.file_timeout_seconds)
    file = settings.files.endpoints_file
    source = reloader.source("endpoints", [file], partial(endpoints_file.read, file))
    pool = PoolRef(Pool(source.content, EndpointHealth(settings.endpoints)))
    async with AsyncExitStack() as stack:
        known = build.api_keys(settings, reloader, source, metrics)
        tracing = build.tracing(settings, stack)
        traced = [] if tracing is None else [tracing.server_interceptor]
        authenticated = [] if known is None else [Authentication(known, metrics)]
        certificates = build.certificates(settings, reloader)
        servers = Servers(settings, certificates, traced, authenticated)
        stack.push_async_callback(servers.stop)
        metrics_port = stack.enter_context(metrics_server(settings, metrics))
        triton = await stack.enter_async_context(build.triton(settings, metrics, tracing))
        await readiness.wait_for_bundle(triton, pool.current, settings)
        router = build_router(settings, pool, triton, metrics, stack, tracing)
        source.on_change(partial(build.replace_pool, pool, triton))
        served = partial(readiness.served_bundle, triton, pool, settings)
        health = Health(served, partial(readiness.check, pool, reloader), metrics)
        servicer = RouterServicer(router, metrics, settings.limits, settings.deadlines)
        reader = await stack.enter_async_context(Reader())
        routing = Routing(router, metrics, settings.openai, settings.limits, settings.deadlines, known, reader)
        processor = ExternalProcessor(routing, None if tracing is None else tracing.requested)
        servers.add(servicer, processor, health.service)
        await health.update()
        await stack.enter_async_context(reloader.watching(settings.files.reload_interval_seconds))
        trimming = asyncio.create_task(give_back(c_library_trim()))
        watching = asyncio.create_task(health.watch(settings.scoring.health_interval_seconds))
        await stack.enter_async_context(Prober(lambda: pool.current, settings.endpoints).watching())
        await servers.start()
        http_api = HttpApi(router, metrics, settings.limits, settings.deadlines, known, Nearest(triton.neighbours))
        http_tls = None if certificates is None else certificates.context()
        serving_http = http_server(settings.listen, http_api.application(), http_tls, settings.limits.max_connections)
        http_port = await stack.enter_async_context(serving_http)
        ports = Ports(servers.port, metrics_port, servers.ext_proc_port, http_port)
        log.info("serving", host=settings.listen.host, **ports._asdict(), bundle_id=router.bundle_id)
        try:
            yield ports
        finally:
            log.info("draining", **settings.shutdown.model_dump())
            watching.cancel()
            trimming.cancel()
            health.drain()
            await asyncio.sleep(settings.shutdown.drain_delay_seconds)
            servicer.drain()
            health.service.end()
            await servers.stop(settings.shutdown.grace_seconds)
