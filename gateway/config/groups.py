"""The settings, in groups. Each group is the value object that one part of the gateway is built from.

Names, defaults, limits and descriptions stand here and nowhere else: flags, variables, the checks and the reference
page (`python -m gateway.config.reference`) are made from them. Units are in the names.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.errors import InvalidRequestError
from routerdc_contract.frozen import Frozen

_MIB = 1024 * 1024


class Group(Frozen):
    """Some settings that belong together."""


class Listen(Group):
    """Where the gateway listens."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for every interface, :: for IPv6 too")
    port: int = Field(50051, ge=0, le=65535, description="port of the gRPC service; 0: the system chooses")
    workers: int = Field(1, ge=1, le=256, description="processes that share the port")
    worker_timeout_seconds: float = Field(
        5, gt=0, description="a worker whose event loop gives no sign of life for so long is replaced"
    )
    ext_proc_port: int | None = Field(
        None, ge=0, le=65535, description="port for Envoy alone (external processing); none: closed; 0: any free port"
    )
    http_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port of the HTTP API (/v1/route, /v1/systemone, /v1/decisions); none: closed; 0: any free port",
    )
    metrics_port: int = Field(9464, ge=0, le=65535, description="port of Prometheus metrics; 0: the system chooses")
    ports_file: Path | None = Field(
        None, description='JSON file, written when the gateway serves: {"grpc": …, "metrics": …}'
    )


class Files(Group):
    """What the gateway reads, and reads again when it changes."""

    endpoints_file: Path = Field(Path("endpoints.yaml"), description="LLM name → endpoints")
    api_keys_file: Path | None = Field(
        None, description="hashed API keys, YAML; none: every caller that reaches the port may call"
    )
    reload_interval_seconds: float = Field(1, gt=0, description="time between two looks at files that may change")
    file_timeout_seconds: float = Field(
        5,
        gt=0,
        description="a file that is not read by then hangs: the gateway does not start, or goes on with the old "
        "content, and is not ready where it is the one with the API keys",
    )


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the certificates are, in PEM."""

    cert: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> list[Path]:
        """All of them."""
        return [path for path in (self.cert, self.key, self.client_ca) if path is not None]


class Tls(Group):
    """Certificates of the gRPC port."""

    tls_cert_file: Path | None = Field(None, description="the gateway's certificate chain, PEM; none: no TLS")
    tls_key_file: Path | None = Field(None, description="its private key, PEM, without a password")
    tls_client_ca_file: Path | None = Field(
        None, description="authorities of callers' certificates, PEM (mutual TLS); none: callers need no certificate"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file: set both or none")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("tls_client_ca_file needs tls_cert_file and tls_key_file")
        return self

    @property
    def files(self) -> CertificateFiles | None:
        """The files to read; None: without TLS."""
        if self.tls_cert_file is None or self.tls_key_file is None:
            return None
        return CertificateFiles(self.tls_cert_file, self.tls_key_file, self.tls_client_ca_file)


class Deadlines(Group):
    """How long a caller waits."""

    deadline_ms: float = Field(200, gt=0, description="a query whose scores take longer gets the default LLM")
    batch_deadline_ms: float = Field(
        10_000, gt=0, description="the same for RouteBatch, whose queries are all waited for"
    )
    deadline_reserve_ms: float = Field(2, ge=0, description="kept of the caller's own deadline to send the answer")

    @property
    def single_seconds(self) -> float:
        """`deadline_ms` in seconds."""
        return self.deadline_ms / 1000

    @property
    def batch_seconds(self) -> float:
        """`batch_deadline_ms` in seconds."""
        return self.batch_deadline_ms / 1000

    def of_query(self, remaining_seconds: float | None = None) -> float:
        """When a single query has to be decided (of `time.monotonic()`).

        `remaining_seconds` is how long its caller waits at most; None: as long as it takes.
        """
        return self._by(self.deadline_ms, remaining_seconds)

    def of_batch(self, remaining_seconds: float | None = None) -> float:
        """The same for a RouteBatch."""
        return self._by(self.batch_deadline_ms, remaining_seconds)

    def _by(self, milliseconds: float, remaining_seconds: float | None) -> float:
        """So many milliseconds from now, or less where the caller will be gone by then."""
        if remaining_seconds is not None:
            milliseconds = min(milliseconds, remaining_seconds * 1000 - self.deadline_reserve_ms)
        return time.monotonic() + milliseconds / 1000


class Limits(Group):
    """What callers of the gRPC service may ask for."""

    max_query_bytes: int = Field(
        _MIB, gt=0, description="longest text to route, in UTF-8 bytes; the model has a limit of its own"
    )
    max_message_bytes: int = Field(4 * _MIB, gt=0, description="largest message of a gRPC call")
    max_connections: int = Field(
        1024,
        gt=0,
        description="connections to each gRPC port and to the HTTP API's; more are closed at once. "
        "One costs 17 KiB, 60 with TLS",
    )
    max_batch_queries: int = Field(
        1024, gt=0, description="most queries in one RouteBatch; at most half of max_in_flight"
    )
    max_in_flight: int = Field(
        2048,
        gt=0,
        description="queries in flight; more are refused with RESOURCE_EXHAUSTED. "
        "Batches hold at most three quarters, an API key at most half",
    )
    max_stream_in_flight: int = Field(64, gt=0, description="queries in flight in one RouteStream; more are not read")
    max_stream_bytes: int = Field(_MIB, gt=0, description="the same in bytes: more are read when these are answered")
    max_streams: int = Field(32, gt=0, description="streams that one caller may have open")

    @model_validator(mode="after")
    def _a_batch_can_be_admitted(self) -> Self:
        if 2 * self.max_batch_queries > self.max_in_flight:
            raise ValueError("max_batch_queries must be at most half of max_in_flight: no caller may hold more of it")
        return self

    def check_batch(self, queries: int) -> None:
        """Refuses a batch that is too long.

        Raises:
            InvalidRequestError: it has more than `max_batch_queries`.
        """
        if queries > self.max_batch_queries:
            raise InvalidRequestError(
                "requests", f"{queries} queries, the limit is {self.max_batch_queries}: split the batch"
            )


class OpenAi(Group):
    """What OpenAI requests through Envoy may ask for."""

    max_body_bytes: int = Field(8 * _MIB, gt=0, description="longest body of an OpenAI request that Envoy sends")
    max_held_body_bytes: int = Field(
        512 * _MIB, gt=0, description="all such bodies at once; requests beyond it go to the default LLM undecided"
    )
    openai_candidates: int = Field(3, gt=0, description="LLMs that Envoy tries in turn, the chosen one first")
    endpoint_picker: bool = Field(False, description="name the chosen endpoint as a Kubernetes endpoint picker does")


class Scoring(Group):
    """How queries get their scores from Triton."""

    triton_address: str = Field(
        "127.0.0.1:8001",
        min_length=1,
        description="host:port of Triton's gRPC; several with commas, or all behind a name with `dns:///`",
    )
    start_without_router: bool = Field(
        False, description="serve the default LLMs until Triton has a bundle for them, instead of waiting for it"
    )
    startup_timeout_seconds: float = Field(60, gt=0, description="how long to wait for Triton's model at start")
    health_interval_seconds: float = Field(
        1, gt=0, description="time between two looks at Triton's readiness and bundle"
    )
    max_triton_batch: int = Field(
        64, gt=0, description="queries in one request to Triton; the model's own limit counts too"
    )
    triton_window: int = Field(
        8,
        gt=0,
        description="queries in flight to each Triton before more gather; "
        "1 (one request at a time) is best where gateway and Triton share few cores",
    )
    score_target_ms: float | None = Field(
        None,
        gt=0,
        description="single queries are refused (RESOURCE_EXHAUSTED) while scores take longer than this, about their "
        "p99 without load; none: they get the default LLM",
    )


class Cache(Group):
    """Which scores are kept for the same text."""

    cache_entries: int = Field(
        50_000, ge=0, description="queries whose scores are kept (by hash, no texts); 0: no cache"
    )
    cache_ttl_seconds: float = Field(3600, gt=0, description="how long scores are kept")


class SessionLimits(Group):
    """How long conversations keep their LLM."""

    max_sessions: int = Field(
        50_000,
        gt=0,
        description="sessions whose LLM is remembered (hashes, no ids); the API key with most of them loses those that "
        "it used least recently",
    )
    session_ttl_seconds: float = Field(3600, gt=0, description="how long after their last query")


class EndpointRules(Group):
    """When an endpoint is ejected, probed and taken back."""

    max_endpoint_failures: int = Field(5, gt=0, description="reported failures in a row that eject an LLM's endpoint")
    ejection_seconds: float = Field(10, gt=0, description="how long, the first time; twice as long each time after")
    max_ejection_seconds: float = Field(300, gt=0, description="no ejection is longer")
    return_seconds: float = Field(30, gt=0, description="time in which an endpoint gets back to all its turns")
    probe_interval_seconds: float = Field(
        5, gt=0, description="time between two probes of an endpoint that has a `probe_path`"
    )
    probe_timeout_seconds: float = Field(2, gt=0, description="a probe without answer failed")
    max_probes: int = Field(16, gt=0, description="probes at once")


class Shadow(Group):
    """A second bundle that is compared on live traffic."""

    shadow_triton_address: str | None = Field(None, description="Triton of the second bundle; none: no shadow")
    shadow_share: float = Field(0.1, ge=0, le=1, description="share of the queries that the shadow scores, too")
    max_shadow_in_flight: int = Field(16, gt=0, description="queries in flight in the shadow; more are dropped")


class DecisionLogging(Group):
    """A file with every decision."""

    decision_log_file: Path | None = Field(
        None, description="JSON Lines file that gets every decision; none: no such log"
    )
    decision_log_queries: bool = Field(False, description="write the queries' texts into it, not their hashes only")


class Traces(Group):
    """Spans of calls, and where they are sent."""

    otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="OTLP/gRPC URL of a collector of traces, http://collector:4317; none: no traces",
    )
    trace_share: float = Field(0.1, ge=0, le=1, description="share of traced calls among those without a trace context")


class Logs(Group):
    """What is logged on stderr."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe event to log; debug adds one line for each query"
    )


class Shutdown(Group):
    """How the gateway stops."""

    drain_delay_seconds: float = Field(0, ge=0, description="time for load balancers to see NOT_SERVING")
    grace_seconds: float = Field(10, ge=0, description="then, time for calls in flight to be answered")
