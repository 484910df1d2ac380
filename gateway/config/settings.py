"""Every setting of the gateway, in one frozen object.

    defaults < YAML file < environment (ROUTERDC_PORT) < command line (--port)

Units are in the names. The descriptions below are the documentation: `routerdc gateway --help` prints them.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from gateway.errors import SettingsError
from routerdc_contract.yaml_model import YamlError, load_yaml, problems

ENV_PREFIX = "ROUTERDC_"
_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://")
_MIB = 1024 * 1024


class _Environment(EnvSettingsSource):
    """The environment without the variables that Kubernetes writes for its services.

    A service `routerdc` gives every pod ROUTERDC_PORT=tcp://10.0.0.1:50051, which is no setting of ours.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        is_service_link = isinstance(value, str) and _SERVICE_LINK.match(value)
        return (None if is_service_link else value), key, is_complex


class _File(YamlConfigSettingsSource):
    """The settings file, in which no setting may appear twice."""

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        content = load_yaml(file_path)
        if content is not None and not isinstance(content, dict):
            raise YamlError(f"{file_path}: not a YAML mapping of settings to values")
        return content or {}


class Settings(BaseSettings):
    """How this gateway runs."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for every interface")
    port: int = Field(50051, ge=0, le=65535, description="port of the gRPC service; 0: the system chooses")
    workers: int = Field(1, ge=1, le=256, description="processes that share the port")
    ext_proc_port: int | None = Field(
        None, ge=0, le=65535, description="port for Envoy's external processing; none: closed; 0: the system chooses"
    )
    metrics_port: int = Field(9464, ge=0, le=65535, description="port of Prometheus metrics; 0: the system chooses")
    ports_file: Path | None = Field(None, description='JSON file to write the ports to: {"grpc": …, "metrics": …}')
    endpoints_file: Path = Field(
        Path("endpoints.yaml"), description="LLM name → endpoints; see gateway/config/endpoints_file.py"
    )
    triton_address: str = Field(
        "127.0.0.1:8001", min_length=1, description="host:port of Triton's gRPC, or several with commas"
    )
    start_without_router: bool = Field(
        False, description="serve the default LLMs until Triton has a bundle for them, instead of waiting for it"
    )
    startup_timeout_seconds: float = Field(60, gt=0, description="how long to wait for Triton's model at start")
    health_interval_seconds: float = Field(1, gt=0, description="time between two looks at Triton's readiness")
    reload_interval_seconds: float = Field(1, gt=0, description="time between two looks at files that may change")
    drain_delay_seconds: float = Field(0, ge=0, description="at shutdown, time for load balancers to see NOT_SERVING")
    grace_seconds: float = Field(10, ge=0, description="then, time for calls in flight to be answered")

    tls_cert_file: Path | None = Field(None, description="the gateway's certificate chain, PEM; none: no TLS")
    tls_key_file: Path | None = Field(None, description="its private key, PEM, without a password")
    tls_client_ca_file: Path | None = Field(None, description="who vouches for callers, PEM; none: any caller")
    api_keys_file: Path | None = Field(None, description="hashed API keys, YAML; none: anybody may call")

    deadline_ms: float = Field(200, gt=0, description="scores that take longer are not waited for: the default answers")
    batch_deadline_ms: float = Field(
        10_000, gt=0, description="the same for RouteBatch, which waits for all its queries"
    )
    deadline_reserve_ms: float = Field(2, ge=0, description="kept of the caller's own deadline to send the answer")
    score_target_ms: float | None = Field(
        None, gt=0, description="single queries are refused while scores take longer; none: then the default answers"
    )

    max_sessions: int = Field(50_000, gt=0, description="sessions whose LLM is remembered")
    session_ttl_seconds: float = Field(3600, gt=0, description="how long after their last query")

    max_endpoint_failures: int = Field(5, gt=0, description="reported failures in a row that eject an LLM's endpoint")
    ejection_seconds: float = Field(10, gt=0, description="how long, the first time; twice as long each time after")
    max_ejection_seconds: float = Field(300, gt=0, description="no ejection is longer")
    probe_interval_seconds: float = Field(5, gt=0, description="time between two probes of an endpoint")
    probe_timeout_seconds: float = Field(2, gt=0, description="a probe without answer failed")
    max_probes: int = Field(16, gt=0, description="probes at once")
    return_seconds: float = Field(30, gt=0, description="time in which an endpoint gets back to all its turns")

    max_query_bytes: int = Field(_MIB, gt=0, description="longest text to route, in UTF-8 bytes")
    max_message_bytes: int = Field(4 * _MIB, gt=0, description="largest message of a gRPC call")
    max_batch_queries: int = Field(1024, gt=0, description="most queries in one RouteBatch")
    max_in_flight: int = Field(2048, gt=0, description="queries in flight; more are refused with RESOURCE_EXHAUSTED")
    max_stream_in_flight: int = Field(64, gt=0, description="queries in flight in one RouteStream; more are not read")
    max_stream_bytes: int = Field(_MIB, gt=0, description="the same in bytes: more are read when these are answered")
    max_streams: int = Field(32, gt=0, description="streams that one caller may have open")

    max_body_bytes: int = Field(8 * _MIB, gt=0, description="longest body of an OpenAI request that Envoy sends")
    max_held_body_bytes: int = Field(512 * _MIB, gt=0, description="all such bodies at once; more go on undecided")
    openai_candidates: int = Field(3, gt=0, description="LLMs that Envoy tries in turn, the chosen one first")
    endpoint_picker: bool = Field(False, description="tell the chosen endpoint as a Kubernetes endpoint picker does")

    max_triton_batch: int = Field(
        64, gt=0, description="queries in one request to Triton; the model's limit counts too"
    )
    triton_window: int = Field(
        8, gt=0, description="queries in flight to each Triton before more gather; 1: one request at a time"
    )
    cache_entries: int = Field(50_000, ge=0, description="queries whose scores are kept; 0: no cache")
    cache_ttl_seconds: float = Field(3600, gt=0, description="how long scores are kept")

    shadow_triton_address: str | None = Field(
        None, description="Triton whose bundle is compared on live traffic; none: no"
    )
    shadow_share: float = Field(0.1, ge=0, le=1, description="share of the queries that the shadow scores, too")
    max_shadow_in_flight: int = Field(16, gt=0, description="queries in flight in the shadow; more are dropped")
    decision_log_file: Path | None = Field(
        None, description="JSON Lines file that gets every decision; none: no such log"
    )
    decision_log_queries: bool = Field(False, description="write the queries' texts into it, not their hashes only")
    otlp_endpoint: str | None = Field(
        None, description="OTLP/gRPC URL for traces: http://collector:4317; none: no traces"
    )
    trace_share: float = Field(0.1, ge=0, le=1, description="share of traced calls among those without a trace context")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe event to log")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file: set both or none")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("tls_client_ca_file needs tls_cert_file and tls_key_file")
        return self

    @model_validator(mode="after")
    def _a_batch_can_be_admitted(self) -> Self:
        if 2 * self.max_batch_queries > self.max_in_flight:
            raise ValueError("max_batch_queries must be at most half of max_in_flight: no caller may hold more of it")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then file."""
        return init_settings, _Environment(settings_cls), _File(settings_cls)


def load(config_file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings from all their sources.

    Raises:
        SettingsError: one of them is wrong; the message names it.
    """
    if config_file is not None and not config_file.is_file():
        raise SettingsError(f"{config_file}: no such file")

    class FromFile(Settings):
        model_config = SettingsConfigDict(yaml_file=config_file)

    try:
        return FromFile(**(flags or {}))
    except ValidationError as error:
        raise SettingsError(problems(error, whole="settings")) from None
    except YamlError as error:
        raise SettingsError(str(error)) from None
