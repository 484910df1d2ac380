"""The LLMs' clusters: one for each kind of endpoint of each LLM (see gateway/pool/clusters.py).

Each has filters of its own, run for every attempt: of the caller's headers only those of an allow list reach an
endpoint, nothing of the candidate's before (API keys!) does, and each candidate gets its own path, model and key.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from envoy.config.cluster.v3 import cluster_pb2, outlier_detection_pb2
from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2, protocol_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2
from envoy.extensions.filters.http.credential_injector.v3 import credential_injector_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.http.upstream_codec.v3 import upstream_codec_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf.message import Message

from gateway.config.endpoints_file import Endpoint
from gateway.envoy_config.lua import filters as lua_filters
from gateway.envoy_config.parts import failures, headers, watched
from gateway.envoy_config.parts.dump import extension, newer, overwrite, packed, plain, seconds
from gateway.envoy_config.parts.options import Options
from gateway.envoy_config.upstreams import upstream
from gateway.policy.capabilities import ApiProtocol
from gateway.pool.clusters import Cluster, base_path, host_header

_CONNECT_TIMEOUT_SECONDS = 2
_HOST_HEADER = "x-routerdc-host"  # removed with all others that only we may set
# uvicorn (vLLM and many others) closes after 5 s: no request leaves on a connection that is just going.
_KEEP_ALIVE_SECONDS = 4
# What of an answer may be under way, and waits in Envoy where its caller does not read.
_WINDOWS_BYTES = (64 * 1024, 2**20)


def llm_cluster(cluster: Cluster, options: Options) -> cluster_pb2.Cluster:
    """The cluster of endpoints that are alike. Endpoints not in use are left out."""
    endpoints = [endpoint for endpoint in cluster.endpoints if endpoint.in_use]
    hosts = [_host(endpoint) for endpoint in endpoints]
    url = urlsplit(endpoints[0].address)
    tls, authorities = url.scheme == "https", endpoints[0].ca_file or options.system_ca
    return cluster_pb2.Cluster(
        name=cluster.name,
        type=upstream.discovery([host.endpoint.address.socket_address.address for host in hosts]),
        dns_lookup_family=cluster_pb2.Cluster.V4_PREFERRED,  # "localhost" is mostly served there
        connect_timeout=seconds(_CONNECT_TIMEOUT_SECONDS),
        lb_policy=cluster_pb2.Cluster.LEAST_REQUEST,
        per_connection_buffer_limit_bytes={"value": upstream.CONNECTION_BUFFER_BYTES},
        circuit_breakers=upstream.circuit_breakers(),
        outlier_detection=_outlier_detection(),
        load_assignment=upstream.assignment(cluster.name, hosts),
        transport_socket=upstream.tls_socket(upstream.tls_context(authorities, url.hostname or "")) if tls else None,
        typed_extension_protocol_options={upstream.HTTP_OPTIONS: packed(_http(cluster, options, tls=tls))},
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


def _http(cluster: Cluster, options: Options, *, tls: bool) -> http_protocol_options_pb2.HttpProtocolOptions:
    http = http_protocol_options_pb2.HttpProtocolOptions(
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(idle_timeout=seconds(_KEEP_ALIVE_SECONDS)),
        http_filters=[_filter(name, config) for name, config in _filters(cluster, options)],
        outlier_detection=failures.outlier_matcher(),
    )
    if tls:  # HTTP/2 where the server offers it
        http.auto_config.http_protocol_options.SetInParent()
        http.auto_config.http2_protocol_options.CopyFrom(upstream.http2(_WINDOWS_BYTES))
    else:
        http.explicit_http_config.http_protocol_options.SetInParent()
    return http


def _filters(cluster: Cluster, options: Options) -> Iterator[tuple[str, Message]]:
    endpoint = cluster.endpoints[0]
    yield lua_filters.NAME, _adapt(cluster)  # first: what it lets pass outwards has no credential
    if endpoint.api_key_env or endpoint.api_key_file:
        yield "envoy.filters.http.credential_injector", _credential(cluster, options)
    if not _is_alone(cluster):
        yield "envoy.filters.http.header_mutation", _host_named()  # answers pass it before they come to Lua
    yield "envoy.filters.http.upstream_codec", upstream_codec_pb2.UpstreamCodec()


def _adapt(cluster: Cluster) -> lua_pb2.Lua:
    endpoint = cluster.endpoints[0]
    return lua_filters.adapt(
        LLM=cluster.llm,
        CLUSTER=cluster.name,
        MODEL=endpoint.model,
        MODEL_JSON=json.dumps(endpoint.model),
        PARAMETERS={name: json.dumps(value) for name, value in sorted(cluster.parameters.items())},
        BASE_PATH=base_path(endpoint),
        OUTWARD=dict.fromkeys(headers.OUTWARD, True),
        OUTWARD_QUERY=headers.OUTWARD_QUERY,
        INWARD_REMOVED=headers.INWARD_REMOVED,
        ALONE=_is_alone(cluster),
        HOST_HEADER=_HOST_HEADER,
        RETRIED=_statuses(failures.RETRIED),
        LACKING=_statuses(failures.LACKING),
        LACKING_WORDS=failures.LACKING_WORDS,
        MISPLACED=_statuses(failures.MISPLACED),
        KEY_FAULTS=_statuses(failures.KEY_FAULTS),
        KEY_REST_SECONDS=failures.KEY_REST_SECONDS,
        MAX_REST_SECONDS=failures.MAX_REST_SECONDS,
    )


def _is_alone(cluster: Cluster) -> bool:
    return sum(one.in_use for one in cluster.endpoints) == 1


def _host_named() -> header_mutation_pb2.HeaderMutation:
    """Tells Lua, which has no other way to know, which host of several has answered."""
    named = mutation_rules_pb2.HeaderMutation(append=overwrite(_HOST_HEADER, "%UPSTREAM_REMOTE_ADDRESS%"))
    return header_mutation_pb2.HeaderMutation(mutations=header_mutation_pb2.Mutations(response_mutations=[named]))


def _statuses(codes: Sequence[int]) -> dict[str, bool]:
    return {str(code): True for code in codes}


def _credential(cluster: Cluster, options: Options) -> credential_injector_pb2.CredentialInjector:
    """As OpenAI's servers read a key, and all that speak their protocol, too; Anthropic's own read another header."""
    own_header = {"header": "x-api-key"} if cluster.protocols == (ApiProtocol.ANTHROPIC,) else {}
    generic = newer(
        "envoy.extensions.http.injected_credentials.generic.v3.Generic",
        credential=_secret(cluster.name, options),
        **(own_header or {"header_value_prefix": "Bearer "}),
    )
    return credential_injector_pb2.CredentialInjector(
        overwrite=True, credential=extension("envoy.http.injected_credentials.generic", generic)
    )


def _secret(name: str, options: Options) -> dict[str, Any]:
    if options.watched is None:
        return {"name": name}
    return {"name": name, "sds_config": plain(watched.source(options.watched / watched.secret_file(name)))}


def _filter(name: str, config: Message) -> hcm_pb2.HttpFilter:
    return hcm_pb2.HttpFilter(name=name, typed_config=packed(config))


def _host(endpoint: Endpoint) -> endpoint_components_pb2.LbEndpoint:
    url = urlsplit(endpoint.address)
    assert url.hostname is not None  # noqa: S101 - endpoints.py has checked it
    host = upstream.host(url.hostname, url.port or (443 if url.scheme == "https" else 80), host_header(endpoint))
    if endpoint.weight != 1:
        host.load_balancing_weight.value = endpoint.weight
    return host


def _outlier_detection() -> outlier_detection_pb2.OutlierDetection:
    """Never more than half of a cluster is ejected: Envoy does not retry where it finds no host at all."""
    return outlier_detection_pb2.OutlierDetection(
        consecutive_5xx={"value": 5},
        interval=seconds(1),
        base_ejection_time=seconds(10),
        max_ejection_percent={"value": 50},
    )
