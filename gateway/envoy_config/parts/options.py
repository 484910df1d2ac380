"""What may be chosen about Envoy; endpoints.yaml says the rest."""

import enum
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20


class BodyMode(enum.StrEnum):
    """How Envoy hands request bodies to the gateway."""

    BUFFERED = "buffered"
    DUPLEX = "duplex"


@dataclass(frozen=True, slots=True)
class Options:
    """Addresses are (host, port)."""

    listen: tuple[str, int] = ("127.0.0.1", 10000)
    admin: tuple[str, int] = ("127.0.0.1", 9901)
    metrics: tuple[str, int] | None = None  # where Prometheus finds Envoy's metrics; none: nowhere
    gateways: tuple[tuple[str, int], ...] = (("127.0.0.1", 50052),)
    gateway_ca: Path | None = None  # set: the gateways speak TLS
    gateway_cert: Path | None = None  # Envoy's own certificate and key, where the gateways want one
    gateway_key: Path | None = None
    system_ca: Path = Path("/etc/ssl/certs/ca-certificates.crt")  # Debian, Ubuntu, Alpine, distroless
    body_mode: BodyMode = BodyMode.BUFFERED
    max_body_bytes: int = 8 * MIB
    max_heap_mib: int = 768
    max_connections: int = 10_000
    requests_per_address: int = 0  # a second; 0: any number
    request_timeout_seconds: int = 30
    decision_timeout_ms: int = 1000
    first_byte_timeout_seconds: int = 300
    idle_timeout_seconds: int = 300
    fail_closed: bool = False
    cors_origins: tuple[str, ...] = ()
    access_log: str = "/dev/stdout"
    otlp: tuple[str, int] | None = None  # a collector's OTLP/gRPC port; none: no traces
    watched: Path | None = None  # folder of the files that Envoy reads again when they change; none: all is in one file
    trace_share: float = 1.0  # of the requests that come without a trace context
