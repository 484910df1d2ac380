"""The routes: which requests go to LLMs, in which order clusters are tried, and how long.

What Envoy 1.40 has and the published protobufs have not is added here, to messages (TypedStruct) and to the JSON.
"""

from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2
from google.protobuf import struct_pb2

from gateway.envoy_config.http.grpc_route import grpc_route
from gateway.envoy_config.http.local_answers import largest, local_answers
from gateway.envoy_config.lua import filters as lua_filters
from gateway.envoy_config.parts.dump import extension, newer, overwrite, packed, seconds
from gateway.envoy_config.parts.failures import RETRY_HEADER
from gateway.envoy_config.parts.options import Options
from gateway.envoy_config.parts.without_gateway import WithoutGateway
from gateway.envoy_config.upstreams.clusters import buffer_bytes
from gateway.openai.apis import paths
from gateway.openai.mutations import CANDIDATES_METADATA, METADATA
from gateway.policy.capabilities import ApiProtocol

ROUTES_NAME = "openai"
PRIORITY_GROUPS = "envoy.router.cluster_specifier_plugin.priority_group"

_TOLD = {
    "x-routerdc-reason": f"%DYNAMIC_METADATA({METADATA}:reason)%",
    "x-routerdc-time-ms": f"%DYNAMIC_METADATA({METADATA}:time_ms)%",
    "x-routerdc-truncated": f"%DYNAMIC_METADATA({METADATA}:truncated)%",
    "x-request-id": "%REQ(X-REQUEST-ID)%",
}
_UNREAD_SECONDS = 30
_SILENT_ATTEMPTS = 4
# Of two hosts, every second draw finds the one that has just failed: three draws left it to one retry in sixteen.
_HOST_CHOICES = 16


def routes(known: WithoutGateway, options: Options) -> route_pb2.RouteConfiguration:
    """All routes; `known`: what Envoy answers while no gateway does."""
    host = route_components_pb2.VirtualHost(
        name="openai",
        domains=["*"],
        include_attempt_count_in_response=True,
        request_body_buffer_limit={"value": buffer_bytes(options)},
        response_headers_to_remove=[RETRY_HEADER],
        response_headers_to_add=[overwrite(name, value) for name, value in _TOLD.items()],
        routes=[
            *(_llm_route(known, protocol, options) for protocol in ApiProtocol),
            grpc_route(options),
            *local_answers(known, options),
        ],
    )
    # Clusters come and go; a decision may name one a moment before Envoy has it.
    return route_pb2.RouteConfiguration(
        name=ROUTES_NAME,
        virtual_hosts=[host],
        validate_clusters={"value": False},
        max_direct_response_body_size_bytes={"value": largest(known)},
    )


def _llm_route(known: WithoutGateway, protocol: ApiProtocol, options: Options) -> route_components_pb2.Route:
    expression = "|".join(paths(protocol))
    candidates = struct_pb2.Struct()
    candidates.update({"candidates": {model: list(names) for model, names in known.candidates[protocol].items()}})
    candidates.update({"clusters": dict(known.clusters)})
    candidates.update({"parameters": dict.fromkeys(known.parameters, True)})
    return route_components_pb2.Route(
        name=f"llm-{protocol}",
        match=route_components_pb2.RouteMatch(
            safe_regex=regex_pb2.RegexMatcher(regex=expression),
            headers=[
                route_components_pb2.HeaderMatcher(name=":method", string_match=string_pb2.StringMatcher(exact="POST"))
            ],
        ),
        metadata=base_pb2.Metadata(filter_metadata={lua_filters.NAME: candidates}),
        route=_llm_action(options),
    )


def _llm_action(options: Options) -> route_components_pb2.RouteAction:
    """Goes to the clusters that the decision names, in their order; without a decision to none."""
    nowhere = {"name": "undecided", "clusters": [{"cluster_name": "undecided", "weight": 1}]}
    specifier = newer(
        "envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier",
        override_metadata_namespace=CANDIDATES_METADATA,
        priority_groups=[nowhere],
    )
    silent_seconds = min(options.first_byte_timeout_seconds, options.idle_timeout_seconds)
    return route_components_pb2.RouteAction(
        inline_cluster_specifier_plugin=route_components_pb2.ClusterSpecifierPlugin(
            extension=extension(PRIORITY_GROUPS, specifier)
        ),
        auto_host_rewrite={"value": True},
        timeout=seconds(0),  # an answer may stream for as long as something comes
        # Ends the request, and not only the attempt: so it is longer than attempts of which nothing comes.
        idle_timeout=seconds(options.idle_timeout_seconds + _SILENT_ATTEMPTS * silent_seconds),
        retry_policy=_retries(options),
    )


def _retries(options: Options) -> route_components_pb2.RetryPolicy:
    """How often is said per request, by x-envoy-max-retries: as often as there is another candidate."""
    policy = route_components_pb2.RetryPolicy
    predicate = policy.RetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts",
        typed_config=packed(previous_hosts_pb2.PreviousHostsPredicate()),
    )
    first_byte = options.first_byte_timeout_seconds
    marked = route_components_pb2.HeaderMatcher(name=RETRY_HEADER, present_match=True)
    return policy(
        retry_on="connect-failure,refused-stream,reset,retriable-headers",
        retriable_headers=[marked],  # adapt.lua sets it, by the table in failures.py
        num_retries={"value": 0},
        # Counts until the answer begins, and not a moment longer. Where it is set, Envoy 1.40 forgets the other, so
        # the route's ends an answer that stands still; where it is not, an answer must begin within the other.
        per_try_timeout=seconds(first_byte) if first_byte < options.idle_timeout_seconds else None,
        per_try_idle_timeout=seconds(options.idle_timeout_seconds),
        retry_host_predicate=[predicate],
        host_selection_retry_max_attempts=_HOST_CHOICES,
        retry_back_off=policy.RetryBackOff(base_interval=seconds(0.001), max_interval=seconds(0.01)),
    )


def with_newer_fields(data: Any) -> Any:
    """Adds the plain fields that Envoy 1.40 has and the published protobufs have not.

    Retries change the cluster, and a caller who reads nothing of what waits for it is not waited for.
    """
    if isinstance(data, list):
        return [with_newer_fields(one) for one in data]
    if not isinstance(data, dict):
        return data
    added: dict[str, Any] = {"refresh_cluster_on_retry": True} if "retriable_headers" in data else {}
    if "filter_chains" in data:
        added["per_connection_buffer_high_watermark_timeout"] = f"{_UNREAD_SECONDS}s"
    return {key: with_newer_fields(value) for key, value in data.items()} | added
