"""Where the gateway listens: its ports, the metrics' own server, and the file that says which ports they are.

Does not know what is served there.
"""

import ipaddress
import json
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from grpc import aio

from gateway.app.listening.tls import ServerTls
from gateway.config.settings import ENV_PREFIX, Settings
from gateway.errors import PortInUseError, SettingsError
from routerdc_contract.whole_file import write_whole

# Clients look a name up again where a connection ends: so gateways that were added get their share within minutes.
# Calls on the old connection go on to their end.
CONNECTION_AGE_SECONDS = 300.0
# On one connection. Each holds 17 KiB before anybody looks at it; but more are refused rather than kept waiting while
# ended calls are not cleared away yet, so it is above what a client has at once (routerdc_client.aio.MAX_IN_FLIGHT). To
# have them not counted (grpc.http.overload_protection) lets calls that are given up at once take a gigabyte.
MAX_CONCURRENT_CALLS = 1024
_MAX_METADATA_BYTES = 16 * 1024
_HEADERS_WITH_A_BODY_BYTES = 64 * 1024
_RECEIVE_BUFFER_BYTES = 64 * 1024


class Ports(NamedTuple):
    """Where the gateway listens."""

    grpc: int
    metrics: int
    ext_proc: int | None = None
    http: int | None = None


def public_options(settings: Settings) -> list[tuple[str, int]]:
    """Channel arguments of the server for callers, known or not: nothing large before the API key is checked."""
    return [
        ("grpc.max_receive_message_length", settings.limits.max_message_bytes),
        # The system would keep 6 MiB for each connection, and grpc takes all that is there in one go, faster than the
        # intake guard can look. As large as the window of a stream, so that it slows nobody.
        ("grpc.tcp_receive_buffer_size", _RECEIVE_BUFFER_BYTES),
        *_server_options(settings),
    ]


def ext_proc_options(settings: Settings) -> list[tuple[str, int]]:
    """Channel arguments of the server for Envoy, which sends whole bodies and multiplexes every client's requests."""
    return [
        ("grpc.max_receive_message_length", settings.openai.max_body_bytes + _HEADERS_WITH_A_BODY_BYTES),
        *_server_options(settings),
    ]


def _server_options(settings: Settings) -> list[tuple[str, int]]:
    return [
        # The window of a stream that is not read stays at 64 KiB; with the probe it grows to megabytes.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.max_allowed_incoming_connections", settings.limits.max_connections),
        ("grpc.max_concurrent_streams", MAX_CONCURRENT_CALLS),
        ("grpc.max_send_message_length", -1),  # what is sent was bounded when it was read
        # A compressed message is inflated before its size is looked at: 600 KiB become 600 MiB.
        ("grpc.compression_enabled_algorithms_bitset", 1),
        ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
        # Workers share the port, on purpose; a second gateway would do so silently.
        ("grpc.so_reuseport", int(settings.listen.workers > 1)),
        ("grpc.max_connection_age_ms", round(CONNECTION_AGE_SECONDS * 1000)),
        # Idle clients may ping, so that they notice a gateway that vanished; so do we with them. They may ping as often
        # as they like: an answer costs next to nothing, while grpc's refusals of a flood took a gigabyte.
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 10_000),
    ]


def bind(server: aio.Server, host: str, port: int, tls: ServerTls | None, flag: str) -> int:
    """The port that `server` got on `host`; `tls` None for one without TLS, `flag` chooses another `port`.

    Raises:
        PortInUseError: it cannot have that one.
    """
    address = f"{bracketed(host)}:{port}"
    try:
        return server.add_insecure_port(address) if tls is None else server.add_secure_port(address, tls.credentials())
    except RuntimeError:
        raise port_in_use(host, port, flag) from None


def bracketed(host: str) -> str:
    """`host` as it stands before a port: an IPv6 address gets brackets."""
    bare = bindable(host)
    try:
        return f"[{bare}]" if ipaddress.ip_address(bare).version == 6 else bare
    except ValueError:  # a name
        return bare


def bindable(host: str) -> str:
    """`host` without brackets; "::", which is every address of both families, is 0.0.0.0 on a machine without IPv6."""
    bare = host.strip("[]")
    if bare != "::":
        return bare
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((bare, 0))
    except OSError:
        return "0.0.0.0"  # noqa: S104 - what the operator asked for
    return bare


def port_in_use(host: str, port: int, flag: str) -> PortInUseError:
    """The error that says so, and which `flag` chooses another port."""
    variable = ENV_PREFIX + flag.replace("-", "_").upper()
    return PortInUseError(
        f"cannot listen on {bracketed(host)}:{port}: another program does, or it is no address of this machine; "
        f"stop that program or choose another port with --{flag} or {variable} (0: any)"
    )


def write_ports(path: Path, ports: Ports, worker_metrics: Sequence[int] = ()) -> None:
    """Writes `ports` as JSON, in one piece: a program that waits for the file never reads half of it.

    `worker_metrics` are the metrics ports of all workers, where there are several.

    Raises:
        SettingsError: `path` cannot be written.
    """
    content = {name: port for name, port in ports._asdict().items() if port is not None}
    content |= {"worker_metrics": list(worker_metrics)} if worker_metrics else {}
    try:
        write_whole(path, json.dumps(content) + "\n")
    except OSError as error:
        raise SettingsError(f"ports_file cannot be written: {error}") from None
