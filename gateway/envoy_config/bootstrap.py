"""The whole configuration: listener, clusters, secrets, admin."""

from collections.abc import Mapping
from typing import Any

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.overload.v3 import overload_pb2
from envoy.extensions.resource_monitors.downstream_connections.v3 import downstream_connections_pb2

from gateway.config.endpoints_file import EndpointsFile
from gateway.envoy_config.clusters import llm_cluster, secrets
from gateway.envoy_config.dump import address, packed, plain
from gateway.envoy_config.gateway_cluster import gateway_cluster
from gateway.envoy_config.listener import listener
from gateway.envoy_config.options import Options
from gateway.envoy_config.routes import with_newer_fields
from gateway.envoy_config.tracing import collector_cluster
from gateway.policy import defaults
from gateway.policy.eligibility import permitted
from gateway.pool.clusters import Cluster, attempts, clusters_of, first_of_each

_MAX_CONNECTIONS = 50_000


def render(file: EndpointsFile, options: Options) -> dict[str, Any]:
    """Envoy's bootstrap configuration as JSON data; no secret is in it, only where Envoy finds them."""
    clusters = [cluster for name, llm in file.llms.items() for cluster in clusters_of(name, llm) if _in_use(cluster)]
    collectors = [collector_cluster(options.otlp)] if options.otlp else []
    bootstrap = bootstrap_pb2.Bootstrap(
        admin=bootstrap_pb2.Admin(address=address(*options.admin)),
        overload_manager=overload_pb2.OverloadManager(resource_monitors=[_connection_limit()]),
        static_resources=bootstrap_pb2.Bootstrap.StaticResources(
            listeners=[listener(_without_gateway(file), options)],
            clusters=[gateway_cluster(options), *collectors, *(llm_cluster(cluster, options) for cluster in clusters)],
            secrets=list(secrets(clusters)),
        ),
    )
    data = plain(bootstrap)
    data["static_resources"]["listeners"] = [with_newer_fields(one) for one in data["static_resources"]["listeners"]]
    return data


def _connection_limit() -> overload_pb2.ResourceMonitor:
    limit = downstream_connections_pb2.DownstreamConnectionsConfig(max_active_downstream_connections=_MAX_CONNECTIONS)
    return overload_pb2.ResourceMonitor(
        name="envoy.resource_monitors.global_downstream_max_connections", typed_config=packed(limit)
    )


def _in_use(cluster: Cluster) -> bool:
    return any(endpoint.in_use for endpoint in cluster.endpoints)


def _without_gateway(file: EndpointsFile) -> Mapping[str, tuple[str, ...]]:
    """Which clusters are tried for which model while no gateway answers."""
    candidates = {}
    for name, virtual in file.virtual_models.items():
        allowed = permitted(frozenset(file.llms), file.prices, (virtual.rules,))
        order = defaults.order(allowed, llms=tuple(file.llms), defaults=(*virtual.default, *file.default))
        candidates[name] = attempts(file.llms, first_of_each(file.llms, order[:3]))
    for name in file.llms:
        candidates[name] = attempts(file.llms, first_of_each(file.llms, [name]))
    return {model: clusters for model, clusters in candidates.items() if clusters}
