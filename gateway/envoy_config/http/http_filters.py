"""The listener's HTTP filters, in the order in which a request meets them.

Requests of an address that has too many end first; web pages are refused, or browsers' questions about them answered,
before anybody else is asked; the gateway decides; where it has not, the body is inflated and our Lua takes the request
on (the gateway inflates bodies itself).
"""

from collections.abc import Iterator

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2, grpc_service_pb2
from envoy.extensions.compression.gzip.decompressor.v3 import gzip_pb2
from envoy.extensions.compression.zstd.decompressor.v3 import zstd_pb2
from envoy.extensions.filters.http.decompressor.v3 import decompressor_pb2
from envoy.extensions.filters.http.ext_proc.v3 import ext_proc_pb2, processing_mode_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.type.v3 import http_status_pb2
from google.protobuf.message import Message

from gateway.envoy_config.http import address_rate
from gateway.envoy_config.http.cors import CORS, cors
from gateway.envoy_config.http.local_answers import EXT_PROC
from gateway.envoy_config.lua import filters as lua_filters
from gateway.envoy_config.parts import failures
from gateway.envoy_config.parts.dump import extension, matching, packed, seconds
from gateway.envoy_config.parts.options import BodyMode, Options
from gateway.envoy_config.upstreams.gateway_cluster import GATEWAY
from gateway.openai.bodies.coding import CODINGS, NOT_READ
from gateway.openai.mutations import CANDIDATES_METADATA, METADATA
from gateway.openai.servicer import FAIL_OPEN, FAILURE_MODE_KEY

_CODINGS = {"gzip": gzip_pb2.Gzip(), "zstd": zstd_pb2.Zstd()}
_DECOMPRESSOR = "envoy.filters.http.decompressor"
_SEND_MODES = {
    BodyMode.BUFFERED: processing_mode_pb2.ProcessingMode.BUFFERED,
    BodyMode.DUPLEX: processing_mode_pb2.ProcessingMode.FULL_DUPLEX_STREAMED,
}


OF_HTTP_ALONE = (EXT_PROC, lua_filters.NAME, lua_filters.CODING, *(f"{_DECOMPRESSOR}.{coding}" for coding in _CODINGS))
"""Filters that decide about bodies of JSON, or inflate them; gRPC passes them by."""


def http_filters(options: Options) -> Iterator[hcm_pb2.HttpFilter]:
    """All of them."""
    if options.requests_per_address:
        yield _filter(address_rate.NAME, address_rate.address_rate(options.requests_per_address))
    yield _filter(CORS, cors(options))
    yield _filter(EXT_PROC, _ext_proc(options))
    yield _filter(lua_filters.CODING, _same_codings())
    for coding, library in _CODINGS.items():
        yield _filter(f"{_DECOMPRESSOR}.{coding}", _decompressor(coding, library))
    rests = {"MAX_REFUSALS": failures.MAX_REFUSALS, "REFUSAL_REST_SECONDS": failures.REFUSAL_REST_SECONDS}
    yield _filter(lua_filters.NAME, lua_filters.fail_open(**rests))
    yield _filter("envoy.filters.http.header_mutation", _no_trailers())
    # Nothing that Envoy has to say of itself (x-envoy-...) concerns an LLM's server.
    yield _filter("envoy.filters.http.router", router_pb2.Router(suppress_envoy_headers=True))


def _filter(name: str, config: Message) -> hcm_pb2.HttpFilter:
    return hcm_pb2.HttpFilter(name=name, typed_config=packed(config))


def _same_codings() -> lua_pb2.Lua:
    """Refuses what the gateway would refuse, by the same names and in the same words."""
    return lua_filters.coding(CODINGS={name: name.removeprefix("x-") for name in CODINGS}, TOLD=NOT_READ)


def _no_trailers() -> header_mutation_pb2.HeaderMutation:
    """Removes all trailers: no client of these APIs sends any, and no list says which may pass."""
    every = mutation_rules_pb2.HeaderMutation.RemoveOnMatch(key_matcher=matching(".*"))
    return header_mutation_pb2.HeaderMutation(
        mutations=header_mutation_pb2.Mutations(
            request_trailers_mutations=[mutation_rules_pb2.HeaderMutation(remove_on_match=every)]
        )
    )


def _decompressor(coding: str, library: Message) -> decompressor_pb2.Decompressor:
    """Inflates requests; answers stay as the LLM's server has coded them for the client."""
    config = decompressor_pb2.Decompressor
    off = base_pb2.RuntimeFeatureFlag(default_value={"value": False}, runtime_key="routerdc.inflate_answers")
    return config(
        decompressor_library=extension(f"envoy.compression.{coding}.decompressor", library),
        request_direction_config=config.RequestDirectionConfig(advertise_accept_encoding={"value": False}),
        response_direction_config=config.ResponseDirectionConfig(
            common_config=config.CommonDirectionConfig(enabled=off)
        ),
    )


def _ext_proc(options: Options) -> ext_proc_pb2.ExternalProcessor:
    mode = processing_mode_pb2.ProcessingMode
    namespaces = ext_proc_pb2.MetadataOptions.MetadataNamespaces(untyped=[METADATA, CANDIDATES_METADATA])
    duplex = options.body_mode is BodyMode.DUPLEX
    open_mode = [base_pb2.HeaderValue(key=FAILURE_MODE_KEY, value=FAIL_OPEN)]
    return ext_proc_pb2.ExternalProcessor(
        grpc_service=grpc_service_pb2.GrpcService(
            envoy_grpc=grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=GATEWAY),
            initial_metadata=[] if options.fail_closed else open_mode,
        ),
        failure_mode_allow=not options.fail_closed,
        status_on_error=http_status_pb2.HttpStatus(code=http_status_pb2.ServiceUnavailable),
        message_timeout=seconds(options.decision_timeout_ms / 1000),
        processing_mode=mode(
            request_header_mode=mode.SEND,
            request_body_mode=_SEND_MODES[options.body_mode],
            request_trailer_mode=mode.SEND if duplex else mode.SKIP,  # duplex mode wants to know the body's end
            response_header_mode=mode.SKIP,
            response_body_mode=mode.NONE,
            response_trailer_mode=mode.SKIP,
        ),
        mutation_rules=mutation_rules_pb2.HeaderMutationRules(allow_envoy={"value": True}),
        metadata_options=ext_proc_pb2.MetadataOptions(receiving_namespaces=namespaces),
    )
