"""Clusters: one for the gateway, one for each kind of endpoint of each LLM (see gateway/ext_proc/clusters.py).

Each LLM's cluster has filters of its own, run for every attempt: nothing of the caller's or of the candidate's before
(API keys!) reaches an endpoint, and each candidate gets its own path, model name and key.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2, outlier_detection_pb2
from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2, health_check_pb2, protocol_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.extensions.filters.http.credential_injector.v3 import credential_injector_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.upstream_codec.v3 import upstream_codec_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf.message import Message

from gateway.endpoints import Endpoint
from gateway.envoy_config import lua_filters
from gateway.envoy_config.dump import address, extension, is_ip, newer, overwrite, packed, seconds
from gateway.envoy_config.options import Options
from gateway.ext_proc.clusters import Cluster, base_path

GATEWAY = "gateway"
LIVE = "live"
"""The health service that says the gateway's process runs: it falls back by itself where Triton does not."""
CALLERS_CREDENTIALS = ("authorization", "x-api-key", "api-key", "cookie")
INTERNAL_HEADERS = ("x-routerdc-llm", "x-gateway-model-name", "x-envoy-max-retries")

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_CONNECT_TIMEOUT_SECONDS = 2
# uvicorn (vLLM and many others) closes after 5 s: no request leaves on a connection that is just going.
_KEEP_ALIVE_SECONDS = 4
# Envoy's defaults would refuse the fourth concurrent retry.
_MAX_IN_FLIGHT = 16_384


def llm_cluster(cluster: Cluster, options: Options) -> cluster_pb2.Cluster:
    """The cluster of endpoints that are alike. Endpoints not in use are left out."""
    endpoints = [endpoint for endpoint in cluster.endpoints if endpoint.in_use]
    hosts = [_host(endpoint) for endpoint in endpoints]
    tls = urlsplit(endpoints[0].address).scheme == "https"
    return cluster_pb2.Cluster(
        name=cluster.name,
        type=_discovery([host.endpoint.address.socket_address.address for host in hosts]),
        dns_lookup_family=cluster_pb2.Cluster.V4_PREFERRED,  # "localhost" is mostly served there
        connect_timeout=seconds(_CONNECT_TIMEOUT_SECONDS),
        lb_policy=cluster_pb2.Cluster.LEAST_REQUEST,
        per_connection_buffer_limit_bytes={"value": buffer_bytes(options)},
        circuit_breakers=_circuit_breakers(),
        outlier_detection=_outlier_detection(),
        load_assignment=_assignment(cluster.name, hosts),
        transport_socket=_socket(_tls(endpoints[0].ca_file or options.system_ca)) if tls else None,
        typed_extension_protocol_options={_HTTP_OPTIONS: packed(_http(cluster, tls=tls))},
    )


def gateway_cluster(options: Options) -> cluster_pb2.Cluster:
    """The gateways, probed: a request does not wait for one that is down."""
    hosts = [_lb_endpoint(*gateway) for gateway in options.gateways]
    http2 = http_protocol_options_pb2.HttpProtocolOptions()
    http2.explicit_http_config.http2_protocol_options.SetInParent()
    return cluster_pb2.Cluster(
        name=GATEWAY,
        type=_discovery([host for host, _ in options.gateways]),
        dns_lookup_family=cluster_pb2.Cluster.V4_PREFERRED,
        connect_timeout=seconds(0.5),
        lb_policy=cluster_pb2.Cluster.LEAST_REQUEST,
        common_lb_config=cluster_pb2.Cluster.CommonLbConfig(healthy_panic_threshold={"value": 0}),
        circuit_breakers=_circuit_breakers(),
        health_checks=[_health_check()],
        load_assignment=_assignment(GATEWAY, hosts),
        transport_socket=_gateway_tls(options) if options.gateway_ca else None,
        typed_extension_protocol_options={_HTTP_OPTIONS: packed(http2)},
    )


def secrets(clusters: Sequence[Cluster]) -> Iterator[secret_pb2.Secret]:
    """API keys by name of their cluster: where Envoy finds them, never what they are."""
    for cluster in clusters:
        endpoint = cluster.endpoints[0]
        if endpoint.api_key_env or endpoint.api_key_file:
            source = (
                base_pb2.DataSource(environment_variable=endpoint.api_key_env)
                if endpoint.api_key_env
                else base_pb2.DataSource(filename=str(endpoint.api_key_file))
            )
            yield secret_pb2.Secret(name=cluster.name, generic_secret=secret_pb2.GenericSecret(secret=source))


def buffer_bytes(options: Options) -> int:
    """A body of the greatest length must fit with another model name in it."""
    return options.max_body_bytes + 64 * 1024


def _http(cluster: Cluster, *, tls: bool) -> http_protocol_options_pb2.HttpProtocolOptions:
    options = http_protocol_options_pb2.HttpProtocolOptions(
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(idle_timeout=seconds(_KEEP_ALIVE_SECONDS)),
        http_filters=[_filter(name, config) for name, config in _filters(cluster)],
    )
    if tls:  # HTTP/2 where the server offers it
        options.auto_config.http_protocol_options.SetInParent()
        options.auto_config.http2_protocol_options.SetInParent()
    else:
        options.explicit_http_config.http_protocol_options.SetInParent()
    return options


def _filters(cluster: Cluster) -> Iterator[tuple[str, Message]]:
    endpoint = cluster.endpoints[0]
    yield "envoy.filters.http.header_mutation", _headers(cluster)
    if endpoint.api_key_env or endpoint.api_key_file:
        yield "envoy.filters.http.credential_injector", _credential(cluster)
    yield lua_filters.NAME, lua_filters.adapt()
    yield "envoy.filters.http.upstream_codec", upstream_codec_pb2.UpstreamCodec()


def _headers(cluster: Cluster) -> header_mutation_pb2.HeaderMutation:
    endpoint, mutation = cluster.endpoints[0], mutation_rules_pb2.HeaderMutation
    given = (("x-routerdc-model", endpoint.model), ("x-routerdc-base-path", base_path(endpoint) or "/"))
    return header_mutation_pb2.HeaderMutation(
        mutations=header_mutation_pb2.Mutations(
            request_mutations=[
                *(mutation(remove=name) for name in (*CALLERS_CREDENTIALS, *INTERNAL_HEADERS)),
                *(mutation(append=overwrite(name, value)) for name, value in given),
            ],
            response_mutations=[mutation(append=overwrite("x-routerdc-llm", cluster.llm))],
        )
    )


def _credential(cluster: Cluster) -> credential_injector_pb2.CredentialInjector:
    generic = newer(
        "envoy.extensions.http.injected_credentials.generic.v3.Generic",
        credential={"name": cluster.name},
        header_value_prefix="Bearer ",
    )
    return credential_injector_pb2.CredentialInjector(
        overwrite=True, credential=extension("envoy.http.injected_credentials.generic", generic)
    )


def _filter(name: str, config: Message) -> hcm_pb2.HttpFilter:
    return hcm_pb2.HttpFilter(name=name, typed_config=packed(config))


def _host(endpoint: Endpoint) -> endpoint_components_pb2.LbEndpoint:
    url = urlsplit(endpoint.address)
    assert url.hostname is not None  # noqa: S101 - endpoints.py has checked it
    host = _lb_endpoint(url.hostname, url.port or (443 if url.scheme == "https" else 80))
    if endpoint.weight != 1:
        host.load_balancing_weight.value = endpoint.weight
    return host


def _lb_endpoint(host: str, port: int) -> endpoint_components_pb2.LbEndpoint:
    """`hostname` becomes the request's host, and the server name of TLS."""
    endpoint = endpoint_components_pb2.Endpoint(address=address(host, port), hostname=host)
    return endpoint_components_pb2.LbEndpoint(endpoint=endpoint)


def _assignment(name: str, hosts: Sequence[endpoint_components_pb2.LbEndpoint]) -> endpoint_pb2.ClusterLoadAssignment:
    locality = endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=hosts)
    return endpoint_pb2.ClusterLoadAssignment(cluster_name=name, endpoints=[locality])


def _discovery(hosts: Sequence[str]) -> "cluster_pb2.Cluster.DiscoveryType":
    return cluster_pb2.Cluster.STATIC if all(map(is_ip, hosts)) else cluster_pb2.Cluster.STRICT_DNS


def _tls(ca_file: Path) -> tls_pb2.UpstreamTlsContext:
    """TLS that checks the server's certificate and name against the authorities in `ca_file`."""
    trusted = common_pb2.CertificateValidationContext(trusted_ca=base_pb2.DataSource(filename=str(ca_file)))
    return tls_pb2.UpstreamTlsContext(
        auto_host_sni=True,
        auto_sni_san_validation=True,
        common_tls_context=tls_pb2.CommonTlsContext(validation_context=trusted),
    )


def _gateway_tls(options: Options) -> base_pb2.TransportSocket:
    assert options.gateway_ca is not None  # noqa: S101 - asked before
    context = _tls(options.gateway_ca)
    context.common_tls_context.alpn_protocols.append("h2")  # gRPC servers insist on being told
    if options.gateway_cert and options.gateway_key:
        own = context.common_tls_context.tls_certificates.add()
        own.certificate_chain.filename, own.private_key.filename = str(options.gateway_cert), str(options.gateway_key)
    return _socket(context)


def _socket(context: tls_pb2.UpstreamTlsContext) -> base_pb2.TransportSocket:
    return base_pb2.TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(context))


def _circuit_breakers() -> circuit_breaker_pb2.CircuitBreakers:
    limit = {"value": _MAX_IN_FLIGHT}
    thresholds = circuit_breaker_pb2.CircuitBreakers.Thresholds(
        max_connections=limit, max_pending_requests=limit, max_requests=limit, max_retries=limit
    )
    return circuit_breaker_pb2.CircuitBreakers(thresholds=[thresholds])


def _outlier_detection() -> outlier_detection_pb2.OutlierDetection:
    """Never more than half of a cluster is ejected: Envoy does not retry where it finds no host at all."""
    return outlier_detection_pb2.OutlierDetection(
        consecutive_5xx={"value": 5},
        interval=seconds(1),
        base_ejection_time=seconds(10),
        max_ejection_percent={"value": 50},
    )


def _health_check() -> health_check_pb2.HealthCheck:
    return health_check_pb2.HealthCheck(
        timeout=seconds(1),
        interval=seconds(1),
        no_traffic_interval=seconds(1),
        unhealthy_threshold={"value": 2},
        healthy_threshold={"value": 1},
        grpc_health_check=health_check_pb2.HealthCheck.GrpcHealthCheck(service_name=LIVE),
    )
