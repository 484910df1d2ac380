"""The cluster of the gateways: probed, so that a request does not wait for one that is down."""

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import base_pb2, health_check_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from gateway.envoy_config.parts.dump import packed, seconds
from gateway.envoy_config.parts.options import Options
from gateway.envoy_config.upstreams import upstream
from routerdc_contract.services import LIVE

GATEWAY = "gateway"


def gateway_cluster(options: Options) -> cluster_pb2.Cluster:
    """The gateways, probed: a request does not wait for one that is down."""
    hosts = [upstream.host(*gateway) for gateway in options.gateways]
    http2 = http_protocol_options_pb2.HttpProtocolOptions()
    http2.explicit_http_config.http2_protocol_options.SetInParent()
    return cluster_pb2.Cluster(
        name=GATEWAY,
        type=upstream.discovery([host for host, _ in options.gateways]),
        dns_lookup_family=cluster_pb2.Cluster.V4_PREFERRED,
        connect_timeout=seconds(0.5),
        lb_policy=cluster_pb2.Cluster.LEAST_REQUEST,
        common_lb_config=cluster_pb2.Cluster.CommonLbConfig(healthy_panic_threshold={"value": 0}),
        circuit_breakers=upstream.circuit_breakers(),
        health_checks=[_health_check()],
        load_assignment=upstream.assignment(GATEWAY, hosts),
        transport_socket=_gateway_tls(options) if options.gateway_ca else None,
        typed_extension_protocol_options={upstream.HTTP_OPTIONS: packed(http2)},
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
