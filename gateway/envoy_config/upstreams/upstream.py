"""What every cluster has: hosts and how they are found, limits, TLS."""

from collections.abc import Sequence
from pathlib import Path

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.core.v3 import base_pb2, protocol_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, tls_pb2

from gateway.envoy_config.parts.dump import address, is_ip, packed

HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
# Of an answer whose caller does not read, as much waits in Envoy. Bodies of requests have a limit of their own.
CONNECTION_BUFFER_BYTES = 32 * 1024
# Envoy's defaults would refuse the fourth concurrent retry.
_MAX_IN_FLIGHT = 16_384
# Envoy ends an HTTP/2 connection on which more frames than this wait to leave, with everybody's requests. Its own limit
# is a thousand cancellations at once, which one caller brings about who closes connections.
_MAX_WAITING_FRAMES = 4 * _MAX_IN_FLIGHT


def host(name: str, port: int, authority: str = "") -> endpoint_components_pb2.LbEndpoint:
    """One server. `authority` (`name`, unless given) becomes the request's `Host`."""
    endpoint = endpoint_components_pb2.Endpoint(address=address(name, port), hostname=authority or name)
    return endpoint_components_pb2.LbEndpoint(endpoint=endpoint)


def assignment(name: str, hosts: Sequence[endpoint_components_pb2.LbEndpoint]) -> endpoint_pb2.ClusterLoadAssignment:
    """The servers of the cluster `name`."""
    locality = endpoint_components_pb2.LocalityLbEndpoints(lb_endpoints=hosts)
    return endpoint_pb2.ClusterLoadAssignment(cluster_name=name, endpoints=[locality])


def discovery(hosts: Sequence[str]) -> "cluster_pb2.Cluster.DiscoveryType":
    """How Envoy finds servers of these names: not at all where all are addresses, else by DNS."""
    return cluster_pb2.Cluster.STATIC if all(map(is_ip, hosts)) else cluster_pb2.Cluster.STRICT_DNS


def circuit_breakers(max_requests: int = _MAX_IN_FLIGHT) -> circuit_breaker_pb2.CircuitBreakers:
    """Limits high enough to never be what refuses a request, but for `max_requests` at once.

    As many may wait for a connection.
    """
    limit, at_once = {"value": _MAX_IN_FLIGHT}, {"value": max_requests}
    thresholds = circuit_breaker_pb2.CircuitBreakers.Thresholds(
        max_connections=limit, max_pending_requests=at_once, max_requests=at_once, max_retries=limit
    )
    return circuit_breaker_pb2.CircuitBreakers(thresholds=[thresholds])


def http2(windows: tuple[int, int] | None = None) -> protocol_pb2.Http2ProtocolOptions:
    """HTTP/2 to a server. `windows`: what of an answer and of a connection's answers may be in flight, in bytes."""
    frames = {"value": _MAX_WAITING_FRAMES}
    options = protocol_pb2.Http2ProtocolOptions(max_outbound_frames=frames, max_outbound_control_frames=frames)
    if windows is not None:
        options.initial_stream_window_size.value, options.initial_connection_window_size.value = windows
    return options


def tls_context(ca_file: Path, name: str = "") -> tls_pb2.UpstreamTlsContext:
    """TLS that checks the server's certificate against the authorities in `ca_file`, and that it is made out to `name`.

    Without a `name` it is each host's own.
    """
    trusted = common_pb2.CertificateValidationContext(trusted_ca=base_pb2.DataSource(filename=str(ca_file)))
    return tls_pb2.UpstreamTlsContext(
        sni=name,
        auto_host_sni=not name,
        auto_sni_san_validation=True,
        common_tls_context=tls_pb2.CommonTlsContext(validation_context=trusted),
    )


def tls_socket(context: tls_pb2.UpstreamTlsContext) -> base_pb2.TransportSocket:
    """`context` as what a cluster connects with."""
    return base_pb2.TransportSocket(name="envoy.transport_sockets.tls", typed_config=packed(context))
