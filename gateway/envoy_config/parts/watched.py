"""Envoy's configuration in several files, so that what endpoints.yaml says can change while Envoy runs.

    envoy.yaml                 how Envoy starts: listener, gateways, limits; where the other files are
    envoy.watched/clusters.yaml, routes.yaml, secrets/*.yaml      what endpoints.yaml decides

Envoy looks at the others again whenever one is moved into its place. Routes are apart from the listener, because a
changed listener would end the connections that it has, with their streams.
"""

import hashlib
from pathlib import Path
from typing import Any

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.core.v3 import config_source_pb2
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.message import Message

from gateway.envoy_config.parts.dump import packed, plain

CLUSTERS, ROUTES = "clusters.yaml", "routes.yaml"


def folder_of(bootstrap: Path) -> Path:
    """Where the watched files are of an Envoy that starts from `bootstrap`."""
    return bootstrap.with_suffix(".watched").absolute()


def source(path: Path) -> config_source_pb2.ConfigSource:
    """Reads resources from `path`, again whenever it is replaced."""
    return config_source_pb2.ConfigSource(
        path_config_source=config_source_pb2.PathConfigSource(path=str(path)),
        resource_api_version=config_source_pb2.ApiVersion.V3,
    )


def secret_file(name: str) -> Path:
    """The file of the secret `name`, below the folder: Envoy takes one secret from one file."""
    return Path("secrets") / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.yaml"


def dynamic(folder: Path) -> bootstrap_pb2.Bootstrap.DynamicResources:
    """Clusters come from a file."""
    return bootstrap_pb2.Bootstrap.DynamicResources(cds_config=source(folder / CLUSTERS))


def resources(*messages: Message) -> dict[str, Any]:
    """Content of a watched file."""
    return plain(discovery_pb2.DiscoveryResponse(resources=map(packed, messages)))
