"""The clusters of the gateways: probed, so that a request does not wait for one that is down.

One is for Envoy's own questions, the other for callers' gRPC calls, which wait in no larger numbers than a gateway can
hold, and never behind each other's answers that nobody reads.
"""

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.core.v3 import base_pb2, health_check_pb2, protocol_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from gateway.envoy_config.parts.dump import packed, seconds
from gateway.envoy_config.parts.options import Options
from gateway.envoy_config.upstreams import upstream
from routerdc_contract.services import LIVE

GATEWAY = "gateway"
CALLS = "gateway-calls"
# Callers' calls that a gateway has at once, for each Envoy. One costs the gateway 15 KiB before any look, Envoy 22.
# Less than the 1,024 of one connection to a gateway: else thousands would wait in Envoy for a further one.
MAX_CALLS = 2048
_WINDOWS_BYTES = (64 * 1024, 2**20)


def gateway_cluster(options: Options) -> cluster_pb2.Cluster:
    """The gateways for what Envoy asks."""
    return _cluster(GATEWAY, options, upstream.http2(), upstream.circuit_breakers())


def calls_cluster(options: Options) -> cluster_pb2.Cluster:
    """The gateways for callers' gRPC calls."""
    limits = upstream.circuit_breakers(MAX_CALLS * len(options.gateways))
    calls = _cluster(CALLS, options, upstream.http2(_WINDOWS_BYTES), limits)
    calls.per_connection_buffer_limit_bytes.value = upstream.CONNECTION_BUFFER_BYTES
    return calls


def _cluster(
    name: str,
    options: Options,
    http2: protocol_pb2.Http2ProtocolOptions,
    limits: circuit_breaker_pb2.CircuitBreakers,
) -> cluster_pb2.Cluster:
    hosts = [upstream.host(*gateway) for gateway in options.gateways]
    http = http_protocol_options_pb2.HttpProtocolOptions()
    http.explicit_http_config.http2_protocol_options.CopyFrom(http2)
    return cluster_pb2.Cluster(
        name=name,
        type=upstream.discovery([host for host, _ in options.gateways]),
        dns_lookup_family=cluster_pb2.Cluster.V4_PREFERRED,
        connect_timeout=seconds(0.5),
        lb_policy=cluster_pb2.Cluster.LEAST_REQUEST,
        common_lb_config=cluster_pb2.Cluster.CommonLbConfig(healthy_panic_threshold={"value": 0}),
        circuit_breakers=limits,
        health_checks=[_health_check()],
        load_assignment=upstream.assignment(name, hosts),
        transport_socket=_gateway_tls(options) if options.gateway_ca else None,
        typed_extension_protocol_options={upstream.HTTP_OPTIONS: packed(http)},
    )


def _gateway_tls(options: Options) -> base_pb2.TransportSocket:
    assert options.gateway_ca is not None  # noqa: S101 - asked before
    context = upstream.tls_context(options.gateway_ca)
    context.common_tls_context.alpn_protocols.append("h2")  # gRPC servers insist on being told
    if options.gateway_cert and options.gateway_key:
        own = context.common_tls_context.tls_certificates.add()
        own.certificate_chain.filename, own.private_key.filename = str(options.gateway_cert), str(options.gateway_key)
    return upstream.tls_socket(context)


def _health_check() -> health_check_pb2.HealthCheck:
    """Asks whether the gateway's process runs: where Triton does not, it falls back by itself."""
    return health_check_pb2.HealthCheck(
        timeout=seconds(1),
        interval=seconds(1),
        no_traffic_interval=seconds(1),
        unhealthy_threshold={"value": 2},
        healthy_threshold={"value": 1},
        grpc_health_check=health_check_pb2.HealthCheck.GrpcHealthCheck(service_name=LIVE),
    )
