"""The whole configuration: listener, clusters, secrets, admin."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.core.v3 import base_pb2

from gateway.config.endpoints_file import EndpointsFile
from gateway.envoy_config.http.listener import listener
from gateway.envoy_config.http.overload import overload_manager
from gateway.envoy_config.http.routes import routes, with_newer_fields
from gateway.envoy_config.http.tracing import collector_cluster
from gateway.envoy_config.parts import watched
from gateway.envoy_config.parts.dump import address, matching, plain
from gateway.envoy_config.parts.options import Options
from gateway.envoy_config.parts.without_gateway import without_gateway
from gateway.envoy_config.upstreams.clusters import llm_cluster, secrets
from gateway.envoy_config.upstreams.gateway_cluster import calls_cluster, gateway_cluster
from gateway.envoy_config.upstreams.metrics import admin_cluster, metrics_listener
from gateway.pool.clusters import Cluster, clusters_in_use

NODE = "routerdc-envoy"
"""What Envoy calls itself; one that reads watched files must have a name."""
# Of one connection, before others have their turn; what is refused has gone before more is looked at.
_REQUESTS_IN_TURN = 5
_ADMIN_PAGES = "certs|clusters|config_dump|init_dump|listeners|memory|ready|runtime|server_info|stats|stats/prometheus"


def render(file: EndpointsFile, options: Options) -> dict[str, Any]:
    """Envoy's bootstrap configuration as JSON data; no secret is in it, only where Envoy finds them."""
    clusters = [] if options.watched else clusters_in_use(file.llms)
    own = [gateway_cluster(options), calls_cluster(options)]
    own += [collector_cluster(options.otlp)] if options.otlp else []
    own += [admin_cluster(options.admin)] if options.metrics else []
    listeners = [listener(without_gateway(file), options)]
    listeners += [metrics_listener(options.metrics)] if options.metrics else []
    bootstrap = bootstrap_pb2.Bootstrap(
        node=base_pb2.Node(id=NODE, cluster=NODE),
        admin=_admin(options),
        overload_manager=overload_manager(options),
        layered_runtime=_runtime(),
        dynamic_resources=watched.dynamic(options.watched) if options.watched else None,
        static_resources=bootstrap_pb2.Bootstrap.StaticResources(
            listeners=listeners,
            clusters=[*own, *(llm_cluster(cluster, options) for cluster in clusters)],
            secrets=list(secrets(clusters)),
        ),
    )
    data: dict[str, Any] = with_newer_fields(plain(bootstrap))
    return data


def render_watched(
    file: EndpointsFile, options: Options, leaving: Sequence[Cluster] = ()
) -> dict[Path, dict[str, Any]]:
    """The content of the files that Envoy watches, in the order in which they are to be written.

    Args:
        file: what endpoints.yaml says.
        options: how Envoy is to work.
        leaving: clusters that are not in `file` any more, and that gateways may still name.
    """
    assert options.watched is not None  # noqa: S101 - nobody asks otherwise
    clusters = [*clusters_in_use(file.llms), *leaving]
    files = {watched.secret_file(secret.name): watched.resources(secret) for secret in secrets(clusters)}
    files[Path(watched.CLUSTERS)] = watched.resources(*(llm_cluster(cluster, options) for cluster in clusters))
    files[Path(watched.ROUTES)] = with_newer_fields(watched.resources(routes(without_gateway(file, leaving), options)))
    return {options.watched / path: content for path, content in files.items()}


def _runtime() -> bootstrap_pb2.LayeredRuntime:
    """What Envoy has as no field of its configuration."""
    layer = bootstrap_pb2.RuntimeLayer(name="routerdc")
    layer.static_layer.update({"http.max_requests_per_io_cycle": _REQUESTS_IN_TURN})
    return bootstrap_pb2.LayeredRuntime(layers=[layer])


def _admin(options: Options) -> bootstrap_pb2.Admin:
    """Pages to read, none that changes anything: a browser sends any web page's POST to any address of its machine."""
    pages = matching(f"/({_ADMIN_PAGES})?([?].*)?")
    return bootstrap_pb2.Admin(address=address(*options.admin), allow_paths=[pages])
