"""Envoy's traces: one span for each request, below it each attempt at an LLM and the question to the gateway.

The W3C `traceparent` of callers is taken and passed on to gateways and LLMs. Spans hold no body, and no query of a URL.
"""

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import extension_pb2, grpc_service_pb2
from envoy.config.trace.v3 import http_tracer_pb2, opentelemetry_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.tracers.opentelemetry.samplers.v3 import (
    parent_based_sampler_pb2,
    trace_id_ratio_based_sampler_pb2,
)
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.type.tracing.v3 import custom_tag_pb2
from envoy.type.v3 import percent_pb2

from gateway.envoy_config.parts.dump import extension, packed, seconds
from gateway.envoy_config.parts.options import Options
from gateway.envoy_config.upstreams import upstream

COLLECTOR = "otlp"
_SERVICE = "routerdc-envoy"
_SAMPLERS = "envoy.tracers.opentelemetry.samplers"
_MILLION = percent_pb2.FractionalPercent.MILLION


def tracing(options: Options) -> hcm_pb2.HttpConnectionManager.Tracing:
    """Sends spans to the cluster `COLLECTOR`."""
    config = opentelemetry_pb2.OpenTelemetryConfig(
        grpc_service=grpc_service_pb2.GrpcService(
            envoy_grpc=grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=COLLECTOR), timeout=seconds(2)
        ),
        service_name=_SERVICE,
        sampler=_sampler(options.trace_share),
    )
    return hcm_pb2.HttpConnectionManager.Tracing(
        spawn_upstream_span={"value": True},
        custom_tags=[custom_tag_pb2.CustomTag(tag="http.url", value="%PATH(NQ)%")],  # may hold keys after the "?"
        provider=http_tracer_pb2.Tracing.Http(name="envoy.tracers.opentelemetry", typed_config=packed(config)),
    )


def _sampler(share: float) -> extension_pb2.TypedExtensionConfig:
    """A caller that sent a trace context has decided. Envoy's own sampling would strike out what it decided."""
    sampled = percent_pb2.FractionalPercent(numerator=round(share * 1e6), denominator=_MILLION)
    by_share = trace_id_ratio_based_sampler_pb2.TraceIdRatioBasedSamplerConfig(sampling_percentage=sampled)
    wrapped = extension(f"{_SAMPLERS}.trace_id_ratio_based", by_share)
    parent_based = parent_based_sampler_pb2.ParentBasedSamplerConfig(wrapped_sampler=wrapped)
    return extension(f"{_SAMPLERS}.parent_based", parent_based)


def collector_cluster(collector: tuple[str, int]) -> cluster_pb2.Cluster:
    """The collector's OTLP/gRPC port; one that is away costs spans, not requests."""
    host, port = collector
    http2 = http_protocol_options_pb2.HttpProtocolOptions()
    http2.explicit_http_config.http2_protocol_options.SetInParent()
    return cluster_pb2.Cluster(
        name=COLLECTOR,
        type=upstream.discovery([host]),
        dns_lookup_family=cluster_pb2.Cluster.V4_PREFERRED,
        connect_timeout=seconds(2),
        load_assignment=upstream.assignment(COLLECTOR, [upstream.host(host, port)]),
        typed_extension_protocol_options={upstream.HTTP_OPTIONS: packed(http2)},
    )
