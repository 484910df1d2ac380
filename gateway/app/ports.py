"""Where the gateway listens: its ports, the metrics' own server, and the file that says which ports they are.

Does not know what is served there.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import prometheus_client
from grpc import aio

from gateway.app.tls import ServerTls
from gateway.config.settings import ENV_PREFIX, Settings
from gateway.errors import PortInUseError, SettingsError
from gateway.telemetry.metrics import Metrics

# Clients look a name up again where a connection ends: so gateways that were added get their share within minutes.
# Calls on the old connection go on to their end.
CONNECTION_AGE_SECONDS = 300.0


class Ports(NamedTuple):
    """Where the gateway listens."""

    grpc: int
    metrics: int


def server_options(settings: Settings) -> list[tuple[str, int]]:
    """Channel arguments of the gRPC server."""
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Workers share the port, on purpose; a second gateway would do so silently.
        ("grpc.so_reuseport", int(settings.workers > 1)),
        ("grpc.max_connection_age_ms", round(CONNECTION_AGE_SECONDS * 1000)),
        # Idle clients may ping, so that they notice a gateway that vanished; so do we with them.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 10_000),
    ]


def bind(server: aio.Server, settings: Settings, tls: ServerTls | None) -> int:
    """The port that `server` got; `tls` None for one without TLS.

    Raises:
        PortInUseError: it cannot have the one in `settings`.
    """
    address = f"{settings.host}:{settings.port}"
    try:
        return server.add_insecure_port(address) if tls is None else server.add_secure_port(address, tls.credentials())
    except RuntimeError:
        raise port_in_use(settings.host, settings.port, "port") from None


@contextmanager
def metrics_server(settings: Settings, metrics: Metrics) -> Iterator[int]:
    """Exposes `metrics` over HTTP, in a thread of its own, while the block runs; gives the port.

    Raises:
        PortInUseError: it cannot have the one in `settings`.
    """
    try:
        server, thread = prometheus_client.start_http_server(
            settings.metrics_port, settings.host, registry=metrics.registry
        )
    except OSError:
        raise port_in_use(settings.host, settings.metrics_port, "metrics-port") from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def port_in_use(host: str, port: int, flag: str) -> PortInUseError:
    """The error that says so, and which `flag` chooses another port."""
    variable = ENV_PREFIX + flag.replace("-", "_").upper()
    return PortInUseError(
        f"cannot listen on {host}:{port}: somebody else does, or it is no address of this machine; stop that program "
        f"or choose another port with --{flag} or {variable} (0: any)"
    )


def write_ports(path: Path, ports: Ports, worker_metrics: Sequence[int] = ()) -> None:
    """Writes `ports` as JSON, in one piece: a program that waits for the file never reads half of it.

    `worker_metrics` are the metrics ports of all workers, where there are several.

    Raises:
        SettingsError: `path` cannot be written.
    """
    content = ports._asdict() | ({"worker_metrics": list(worker_metrics)} if worker_metrics else {})
    draft = path.with_name(path.name + ".tmp")
    try:
        draft.write_text(json.dumps(content) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise SettingsError(f"ports_file cannot be written: {error}") from None
