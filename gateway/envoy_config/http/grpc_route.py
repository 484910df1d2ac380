"""The route for gRPC: the gateway's own services, passed on as they are, within the listener's limits.

grpc's Python server has no limit of what a caller's headers and unfinished calls cost, Envoy has: so callers who are
strangers come here, and the gateway's own port is for those that are trusted.
"""

from envoy.config.route.v3 import route_components_pb2
from envoy.type.matcher.v3 import regex_pb2
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION

from gateway.envoy_config.http.http_filters import OF_HTTP_ALONE
from gateway.envoy_config.parts.dump import packed, seconds
from gateway.envoy_config.parts.options import Options
from gateway.envoy_config.upstreams.gateway_cluster import CALLS
from routerdc_contract.services import ROUTER

SERVICES = (ROUTER, HEALTH, REFLECTION)
# A call of at most so many bytes is tried again where a gateway is just leaving and has not looked at it.
_KEPT_BYTES = 64 * 1024
_RETRIES = 2


def grpc_route(options: Options) -> route_components_pb2.Route:
    """Calls of the gateway's services; what else has such a path is no gRPC, and not found."""
    names = "|".join(service.replace(".", "[.]") for service in SERVICES)
    match = route_components_pb2.RouteMatch
    return route_components_pb2.Route(
        name="grpc",
        match=match(
            safe_regex=regex_pb2.RegexMatcher(regex=f"/({names})/[A-Za-z]+"), grpc=match.GrpcRouteMatchOptions()
        ),
        route=route_components_pb2.RouteAction(
            cluster=CALLS,
            timeout=seconds(0),  # the caller's own deadline holds
            max_stream_duration=route_components_pb2.RouteAction.MaxStreamDuration(grpc_timeout_header_max=seconds(0)),
            idle_timeout=seconds(options.idle_timeout_seconds),
            retry_policy=route_components_pb2.RetryPolicy(
                retry_on="connect-failure,refused-stream", num_retries={"value": _RETRIES}
            ),
        ),
        request_body_buffer_limit={"value": _KEPT_BYTES},
        typed_per_filter_config={
            name: packed(route_components_pb2.FilterConfig(disabled=True)) for name in OF_HTTP_ALONE
        },
    )
