"""The whole configuration: listener, clusters, secrets, admin."""

from collections.abc import Mapping
from typing import Any

from envoy.config.bootstrap.v3 import bootstrap_pb2

from gateway.endpoints import EndpointsFile
from gateway.envoy_config.clusters import gateway_cluster, llm_cluster, secrets
from gateway.envoy_config.dump import address, plain
from gateway.envoy_config.listener import listener, with_newer_fields
from gateway.envoy_config.options import Options
from gateway.ext_proc.clusters import Cluster, attempts, clusters_of, first_of_each
from gateway.policy import fallback_order


def render(file: EndpointsFile, options: Options) -> dict[str, Any]:
    """Envoy's bootstrap configuration as JSON data; no secret is in it, only where Envoy finds them."""
    clusters = [cluster for name, llm in file.llms.items() for cluster in clusters_of(name, llm) if _in_use(cluster)]
    names = [cluster.name for cluster in clusters]
    bootstrap = bootstrap_pb2.Bootstrap(
        admin=bootstrap_pb2.Admin(address=address(*options.admin)),
        static_resources=bootstrap_pb2.Bootstrap.StaticResources(
            listeners=[listener(names, _without_gateway(file), options)],
            clusters=[gateway_cluster(options), *(llm_cluster(cluster, options) for cluster in clusters)],
            secrets=list(secrets(clusters)),
        ),
    )
    data = plain(bootstrap)
    data["static_resources"]["listeners"] = [with_newer_fields(one) for one in data["static_resources"]["listeners"]]
    return data


def _in_use(cluster: Cluster) -> bool:
    return any(endpoint.in_use for endpoint in cluster.endpoints)


def _without_gateway(file: EndpointsFile) -> Mapping[str, tuple[str, ...]]:
    """Which clusters are tried for which model while no gateway answers."""
    candidates = {}
    for name, virtual in getattr(
        file, "virtual_models", __import__("gateway.virtual_models").virtual_models.AUTO
    ).items():
        order = fallback_order((*virtual.default, *file.default), tuple(file.llms), virtual.allowed or tuple(file.llms))
        candidates[name] = attempts(file.llms, first_of_each(file.llms, order[:3]))
    for name in file.llms:
        candidates[name] = attempts(file.llms, first_of_each(file.llms, [name]))
    return {model: clusters for model, clusters in candidates.items() if clusters}
