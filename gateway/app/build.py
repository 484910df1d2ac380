"""From settings to the parts of the gateway beside the way of a query, which `query_path.py` puts together.

Knows how parts fit; does not know when they start and stop: that is server.py's.
"""

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from gateway.app.listening import tls
from gateway.app.listening.tls import ServerTls
from gateway.app.reload import Reloader
from gateway.app.source import Source
from gateway.config import api_keys_file
from gateway.config.api_keys_file import ApiKeysFile
from gateway.config.endpoints_file import EndpointsFile
from gateway.config.settings import Settings
from gateway.errors import TracingMissingError
from gateway.limits.caller import Callers
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.scoring.triton.balancer import TritonBalancer, TritonState
from gateway.scoring.triton.discovery import Discovery
from gateway.scoring.triton.scorer import TritonScorer
from gateway.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from gateway.telemetry.tracing import Tracing


API_KEYS = "api_keys"
"""Name of the source that says who may call."""


def tracing(settings: Settings, stack: AsyncExitStack) -> "Tracing | None":
    """Traces over OTLP, closed with `stack`; None where they are not asked for.

    Raises:
        TracingMissingError: the extra `tracing` is not installed, or not whole.
    """
    if settings.traces.otlp_endpoint is None:
        return None
    try:
        from gateway.telemetry.tracing import Tracing
    except ModuleNotFoundError as error:
        raise TracingMissingError(f"otlp_endpoint: {error}; install the extra `tracing`") from None
    except ImportError as error:  # xds-protos has older files of the same names
        how = "pip install --no-deps --force-reinstall opentelemetry-proto"
        raise TracingMissingError(f"otlp_endpoint: {error}; put it right with: {how}") from None
    traces = Tracing(settings.traces)
    stack.push_async_callback(traces.close)
    return traces


def triton(settings: Settings, metrics: Metrics, tracing: "Tracing | None") -> TritonBalancer:
    """The Tritons that score; a context manager that closes their channels."""
    interceptors = () if tracing is None else (tracing.client_interceptor,)
    timeout_seconds = max(settings.deadlines.deadline_ms, settings.deadlines.batch_deadline_ms) / 1000
    balancer = TritonBalancer(
        Discovery(settings.scoring.triton_address).addresses,
        partial(TritonScorer, timeout_seconds=timeout_seconds, interceptors=interceptors),
        patience_seconds=settings.deadlines.single_seconds / 2,
        on_retry=metrics.triton_retry,
    )
    metrics.watch_tritons({state.value: partial(balancer.count, state) for state in TritonState})
    return balancer


def certificates(settings: Settings, reloader: Reloader) -> ServerTls | None:
    """TLS whose certificates are read again when they change; None: without TLS."""
    if (files := settings.tls.files) is None:
        return None
    source = reloader.source("certificates", files.paths, partial(tls.read, files))
    server_tls = ServerTls(source.content, files)
    source.on_change(server_tls.replace)
    return server_tls


def api_keys(settings: Settings, reloader: Reloader, pool: Source[EndpointsFile], metrics: Metrics) -> Callers | None:
    """The callers by API key, read again when the file changes; None: everybody may call."""
    if (path := settings.files.api_keys_file) is None:
        return None
    source = reloader.source(API_KEYS, [path], partial(api_keys_file.read, path))
    source.content.check(pool.content.llms.keys())
    known = Callers(source.content, metrics.caller)

    def replace(file: ApiKeysFile) -> None:
        file.check(pool.content.llms.keys())
        known.replace(file)

    source.on_change(replace)
    return known


def replace_pool(pool_ref: PoolRef, triton: TritonBalancer, file: EndpointsFile) -> None:
    """Queries in flight keep the pool that they began with."""
    health = pool_ref.current.endpoint_health
    pool = Pool(file, health)
    if triton.has_served:
        pool.check(triton.bundle)
    health.keep_only([endpoint for _, endpoint, _ in pool.states()])
    pool_ref.current = pool
