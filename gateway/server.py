"""Builds the gateway and runs it: the only module that knows all the others.

listen → wait for Triton and check names → serve → SIGTERM: not serving, answer what is in flight, stop
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog
from envoy.service.ext_proc.v3 import external_processor_pb2_grpc
from grpc import aio
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_reflection.v1alpha import reflection

from contract.v1 import router_pb2_grpc
from gateway import callers, endpoints, tls
from gateway.admission import Admission
from gateway.authentication import Authentication
from gateway.callers import ApiKeysFile, Callers
from gateway.coalescer import Coalescer
from gateway.decision_log import DecisionLog
from gateway.endpoint_health import EjectionRules, EndpointHealth
from gateway.endpoints import EndpointsFile
from gateway.errors import BundleMismatchError, EndpointsError, ScorerError, TracingMissingError, TritonMissingError
from gateway.ext_proc.routing import DataPlane, Routing
from gateway.ext_proc.servicer import SERVICE as EXT_PROC_SERVICE
from gateway.ext_proc.servicer import ExternalProcessor
from gateway.health import SERVICE, Health
from gateway.listen import Ports, bind, metrics_server, server_options, write_ports
from gateway.metrics import Metrics
from gateway.observed_router import ObservedRouter
from gateway.policy.choice import Thresholds
from gateway.pool import Pool
from gateway.probes import Prober
from gateway.reload import Reloader, Source
from gateway.router import Router
from gateway.score_cache import ScoreCache
from gateway.scorer import Scorer
from gateway.servicer import Limits, RouterServicer
from gateway.sessions import Sessions
from gateway.settings import Settings
from gateway.shadow import ShadowedScorer
from gateway.tls import CertificateFiles, ServerTls
from gateway.triton_balancer import TritonBalancer, TritonState, addresses
from gateway.triton_scorer import TritonScorer

if TYPE_CHECKING:
    from gateway.tracing import Tracing

log = structlog.get_logger("gateway.server")

_STARTUP_POLL_SECONDS = 0.2


def run(settings: Settings, announce: Callable[[Ports], None] | None = None, lifeline: int | None = None) -> None:
    """Serves until SIGTERM or SIGINT; a second one while calls are still being answered stops at once.

    Args:
        settings: how.
        announce: is told the ports once the gateway serves.
        lifeline: a file descriptor; when it becomes readable, that is SIGTERM, too.

    Raises:
        StartupError: it cannot start.
    """
    asyncio.run(_run(settings, announce, lifeline))


async def _run(settings: Settings, announce: Callable[[Ports], None] | None, lifeline: int | None) -> None:
    serve = asyncio.current_task()
    assert serve is not None  # noqa: S101 - we are in one
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serve.cancel)
    if lifeline is not None:
        asyncio.get_running_loop().add_reader(lifeline, _end_of_life, lifeline, serve)
    with suppress(asyncio.CancelledError):
        async with serving(settings) as ports:
            if settings.ports_file is not None:
                write_ports(settings.ports_file, ports)
            if announce is not None:
                announce(ports)
            await asyncio.Event().wait()
    log.info("stopped")


def _end_of_life(lifeline: int, serve: asyncio.Task[None]) -> None:
    asyncio.get_running_loop().remove_reader(lifeline)
    serve.cancel()


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Ports]:
    """A gateway that serves while the block runs, and is drained at its end.

    Raises:
        StartupError: it cannot start.
    """
    metrics = Metrics()
    reloader = Reloader(metrics)
    file = settings.endpoints_file
    source = reloader.source("endpoints", [file], partial(endpoints.read, file))
    pool = Pool(source.content, _endpoint_health(settings))
    async with AsyncExitStack() as stack:
        known = _callers(settings, reloader, source)
        tracing = _tracing(settings, stack)
        interceptors: list[aio.ServerInterceptor] = [] if tracing is None else [tracing.server_interceptor]
        interceptors += [] if known is None else [Authentication(known, metrics)]
        server = aio.server(options=server_options(settings), interceptors=interceptors)
        stack.push_async_callback(server.stop, None)
        grpc_port = bind(server, settings, _tls(settings, reloader))
        ports = Ports(grpc_port, stack.enter_context(metrics_server(settings, metrics)))
        triton = await stack.enter_async_context(_triton(settings, metrics, tracing))
        await _wait_for_bundle(triton, pool, settings)
        router = _router(settings, pool, triton, metrics, stack, tracing)
        source.on_change(partial(_replace_pool, router, triton))
        health = Health(lambda: triton.probe(router.pool.check), lambda bundle: router.pool.check(bundle), metrics)
        servicer = RouterServicer(router, metrics, _limits(settings))
        processor = ExternalProcessor(Routing(router, _data_plane(settings), metrics, known))
        _register(server, servicer, processor, health)
        await health.update()
        await stack.enter_async_context(reloader.watching(settings.reload_interval_seconds))
        watching = asyncio.create_task(health.watch(settings.health_interval_seconds))
        prober = Prober(
            lambda: router.pool,
            interval_seconds=settings.probe_interval_seconds,
            timeout_seconds=settings.probe_timeout_seconds,
            max_concurrent=settings.max_probes,
        )
        await stack.enter_async_context(prober.watching())
        await server.start()
        log.info("serving", host=settings.host, **ports._asdict(), bundle_id=triton.bundle.bundle_id)
        try:
            yield ports
        finally:
            log.info("draining", delay_seconds=settings.drain_delay_seconds, grace_seconds=settings.grace_seconds)
            watching.cancel()
            await health.drain()
            await asyncio.sleep(settings.drain_delay_seconds)
            servicer.drain()
            await server.stop(settings.grace_seconds)


def _tracing(settings: Settings, stack: AsyncExitStack) -> "Tracing | None":
    if settings.otlp_endpoint is None:
        return None
    try:
        from gateway.tracing import Tracing
    except ModuleNotFoundError as error:
        raise TracingMissingError(f"otlp_endpoint: {error}; install the extra `tracing`") from None
    tracing = Tracing(settings.otlp_endpoint, settings.trace_share)
    stack.push_async_callback(tracing.close)
    return tracing


def _triton(settings: Settings, metrics: Metrics, tracing: "Tracing | None") -> TritonBalancer:
    interceptors = () if tracing is None else (tracing.client_interceptor,)
    timeout_seconds = max(settings.deadline_ms, settings.batch_deadline_ms) / 1000
    triton = TritonBalancer(
        [
            TritonScorer(address, timeout_seconds=timeout_seconds, interceptors=interceptors)
            for address in addresses(settings.triton_address)
        ],
        patience_seconds=settings.deadline_ms / 1000 / 2,
        on_retry=metrics.triton_retry,
    )
    metrics.watch_tritons({state.value: partial(triton.count, state) for state in TritonState})
    return triton


def _router(
    settings: Settings,
    pool: Pool,
    triton: TritonBalancer,
    metrics: Metrics,
    stack: AsyncExitStack,
    tracing: "Tracing | None",
) -> Router:
    coalescer = Coalescer(
        triton,
        max_batch=min(settings.max_triton_batch, triton.max_batch),
        max_concurrent=settings.max_triton_requests * len(addresses(settings.triton_address)),
        observe=metrics.batch,
    )
    cache = ScoreCache(
        coalescer,
        max_entries=settings.cache_entries,
        ttl_seconds=settings.cache_ttl_seconds,
        observe=metrics.lookup,
    )
    # Whoever is refused finds room after one deadline at the latest: by then everything that is in flight now is gone.
    admission = Admission(settings.max_in_flight, retry_after_seconds=settings.deadline_ms / 1000)
    metrics.watch(in_flight=lambda: admission.in_flight, cache_entries=lambda: len(cache))
    scorer = _shadowed(settings, cache if settings.cache_entries else coalescer, metrics, stack)
    decision_log = _decision_log(settings, metrics, stack)
    on_decision = [] if decision_log is None else [decision_log.record]
    on_single = [] if tracing is None else [tracing.decided]
    kind = partial(ObservedRouter, on_decision, on_single) if on_decision or on_single else Router
    router = kind(
        pool,
        scorer,
        admission,
        metrics,
        cost_weight=settings.cost_weight,
        thresholds=Thresholds(settings.sticky_margin, settings.min_margin, settings.min_confidence),
        sessions=Sessions(settings.max_sessions, settings.session_ttl_seconds),
    )
    metrics.endpoints.watch(lambda: router.pool.states())
    return router


def _shadowed(settings: Settings, scorer: Scorer, metrics: Metrics, stack: AsyncExitStack) -> Scorer:
    if settings.shadow_triton_address is None:
        return scorer
    triton = TritonScorer(settings.shadow_triton_address, timeout_seconds=settings.batch_deadline_ms / 1000)
    shadowed = ShadowedScorer(
        scorer,
        triton,
        share=settings.shadow_share,
        max_in_flight=settings.max_shadow_in_flight,
        observe=metrics.shadow,
    )
    stack.push_async_exit(triton)
    stack.push_async_exit(shadowed)
    return shadowed


def _decision_log(settings: Settings, metrics: Metrics, stack: AsyncExitStack) -> DecisionLog | None:
    if settings.decision_log_file is None:
        return None
    log_of_decisions = DecisionLog(settings.decision_log_file, metrics, with_queries=settings.decision_log_queries)
    return stack.enter_context(log_of_decisions)


def _endpoint_health(settings: Settings) -> EndpointHealth:
    rules = EjectionRules(
        settings.max_endpoint_failures,
        settings.ejection_seconds,
        settings.max_ejection_seconds,
        settings.return_seconds,
    )
    return EndpointHealth(rules)


def _tls(settings: Settings, reloader: Reloader) -> ServerTls | None:
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    files = CertificateFiles(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)
    source = reloader.source("certificates", files.paths, partial(tls.read, files))
    server_tls = ServerTls(source.content)
    source.on_change(server_tls.replace)
    return server_tls


def _callers(settings: Settings, reloader: Reloader, pool: Source[EndpointsFile]) -> Callers | None:
    if (path := settings.api_keys_file) is None:
        return None
    source = reloader.source("api_keys", [path], partial(callers.read, path))
    source.content.check(pool.content.llms.keys())
    known = Callers(source.content)

    def replace(file: ApiKeysFile) -> None:
        file.check(pool.content.llms.keys())
        known.replace(file)

    source.on_change(replace)
    return known


def _replace_pool(router: Router, triton: TritonBalancer, file: EndpointsFile) -> None:
    """Queries in flight keep the pool that they began with."""
    health = router.pool.endpoint_health
    pool = Pool(file, health)
    pool.check(triton.bundle)
    health.keep_only([endpoint for _, endpoint, _ in pool.states()])
    router.pool = pool


def _limits(settings: Settings) -> Limits:
    return Limits(
        deadline_seconds=settings.deadline_ms / 1000,
        batch_deadline_seconds=settings.batch_deadline_ms / 1000,
        deadline_reserve_seconds=settings.deadline_reserve_ms / 1000,
        max_query_bytes=settings.max_query_bytes,
        max_batch_queries=settings.max_batch_queries,
        max_stream_in_flight=settings.max_stream_in_flight,
    )


def _data_plane(settings: Settings) -> DataPlane:
    return DataPlane(
        deadline_seconds=settings.deadline_ms / 1000,
        max_query_bytes=settings.max_query_bytes,
        max_body_bytes=settings.max_body_bytes,
        max_held_bytes=settings.max_held_body_bytes,
        max_candidates=settings.openai_candidates,
        endpoint_picker=settings.endpoint_picker,
    )


def _register(server: aio.Server, servicer: RouterServicer, processor: ExternalProcessor, health: Health) -> None:
    router_pb2_grpc.add_RouterServicer_to_server(servicer, server)
    external_processor_pb2_grpc.add_ExternalProcessorServicer_to_server(processor, server)
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    reflection.enable_server_reflection((SERVICE, EXT_PROC_SERVICE, HEALTH_SERVICE, reflection.SERVICE_NAME), server)


async def _wait_for_bundle(triton: TritonBalancer, pool: Pool, settings: Settings) -> None:
    problem = f"Triton at {settings.triton_address} does not answer"
    try:
        async with asyncio.timeout(settings.startup_timeout_seconds):
            while True:
                try:
                    pool.check(await triton.probe(pool.check))
                    return
                except BundleMismatchError as error:
                    raise EndpointsError(f"{settings.endpoints_file}: {error}") from None
                except ScorerError as error:
                    if problem != str(error):
                        log.info("waiting for Triton", problem=str(error))
                    problem = str(error)
                await asyncio.sleep(_STARTUP_POLL_SECONDS)
    except TimeoutError:
        seconds = f"{settings.startup_timeout_seconds:g} s"
        raise TritonMissingError(f"waited {seconds}: {problem}; start it, or set --triton-address") from None
