"""The whole configuration: listener, clusters, secrets, admin."""

from typing import Any

from envoy.config.bootstrap.v3 import bootstrap_pb2

from gateway.config.endpoints_file import EndpointsFile
from gateway.envoy_config.clusters import llm_cluster, secrets
from gateway.envoy_config.dump import address, plain
from gateway.envoy_config.gateway_cluster import gateway_cluster
from gateway.envoy_config.listener import listener
from gateway.envoy_config.options import Options
from gateway.envoy_config.overload import overload_manager
from gateway.envoy_config.routes import with_newer_fields
from gateway.envoy_config.tracing import collector_cluster
from gateway.envoy_config.without_gateway import without_gateway
from gateway.pool.clusters import Cluster, clusters_of


def render(file: EndpointsFile, options: Options) -> dict[str, Any]:
    """Envoy's bootstrap configuration as JSON data; no secret is in it, only where Envoy finds them."""
    clusters = [cluster for name, llm in file.llms.items() for cluster in clusters_of(name, llm) if _in_use(cluster)]
    collectors = [collector_cluster(options.otlp)] if options.otlp else []
    bootstrap = bootstrap_pb2.Bootstrap(
        admin=bootstrap_pb2.Admin(address=address(*options.admin)),
        overload_manager=overload_manager(options),
        static_resources=bootstrap_pb2.Bootstrap.StaticResources(
            listeners=[listener(without_gateway(file), options)],
            clusters=[gateway_cluster(options), *collectors, *(llm_cluster(cluster, options) for cluster in clusters)],
            secrets=list(secrets(clusters)),
        ),
    )
    data = plain(bootstrap)
    data["static_resources"]["listeners"] = [with_newer_fields(one) for one in data["static_resources"]["listeners"]]
    return data


def _in_use(cluster: Cluster) -> bool:
    return any(endpoint.in_use for endpoint in cluster.endpoints)
