"""Envoy's metrics for Prometheus, on a port of their own: the admin pages, which can stop Envoy, stay on loopback."""

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from gateway.envoy_config.parts.dump import address, packed, seconds
from gateway.envoy_config.upstreams import upstream

_ADMIN = "admin"
_SCRAPE_SECONDS = 10


def metrics_listener(metrics: tuple[str, int]) -> listener_pb2.Listener:
    """Serves GET /metrics at `metrics`, and nothing else."""
    manager = hcm_pb2.HttpConnectionManager(
        stat_prefix="metrics",
        route_config=route_pb2.RouteConfiguration(name="metrics", virtual_hosts=[_host()]),
        http_filters=[hcm_pb2.HttpFilter(name="envoy.filters.http.router", typed_config=packed(router_pb2.Router()))],
        request_headers_timeout=seconds(_SCRAPE_SECONDS),
        request_timeout=seconds(_SCRAPE_SECONDS),
    )
    name = "envoy.filters.network.http_connection_manager"
    chain = listener_components_pb2.FilterChain(
        filters=[listener_components_pb2.Filter(name=name, typed_config=packed(manager))]
    )
    return listener_pb2.Listener(name="metrics", address=address(*metrics), filter_chains=[chain])


def admin_cluster(admin: tuple[str, int]) -> cluster_pb2.Cluster:
    """Envoy's own admin pages."""
    return cluster_pb2.Cluster(
        name=_ADMIN,
        type=upstream.discovery([admin[0]]),
        load_assignment=upstream.assignment(_ADMIN, [upstream.host(*admin)]),
    )


def _host() -> route_components_pb2.VirtualHost:
    route = route_components_pb2.Route(
        match=route_components_pb2.RouteMatch(path="/metrics"),
        route=route_components_pb2.RouteAction(
            cluster=_ADMIN, prefix_rewrite="/stats/prometheus", timeout=seconds(_SCRAPE_SECONDS)
        ),
    )
    return route_components_pb2.VirtualHost(name="metrics", domains=["*"], routes=[route])
