"""The listener: what OpenAI clients talk to. Filters, access log, the form of errors.

Nobody's prompt is in the access log: it has no field of the body, and paths without their query.
"""

from collections.abc import Mapping, Sequence

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import address_pb2, base_pb2, grpc_service_pb2, substitution_format_string_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.filters.http.ext_proc.v3 import ext_proc_pb2, processing_mode_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.type.v3 import http_status_pb2
from google.protobuf import struct_pb2
from google.protobuf.message import Message

from gateway.envoy_config import headers, lua_filters
from gateway.envoy_config.clusters import buffer_bytes
from gateway.envoy_config.dump import address, packed, seconds
from gateway.envoy_config.gateway_cluster import GATEWAY
from gateway.envoy_config.options import BodyMode, Options
from gateway.envoy_config.routes import EXT_PROC, routes
from gateway.envoy_config.tracing import tracing
from gateway.openai.mutations import CANDIDATES_METADATA, METADATA
from gateway.openai.servicer import FAIL_OPEN, FAILURE_MODE_KEY

# No healthy upstream, connection failure and termination, timeouts, resets, overflow, retry limit, no cluster, idle.
_UPSTREAM_FLAGS = ("UH", "UF", "UC", "UT", "UR", "LR", "UO", "URX", "NC", "SI", "UPE")
_SEND_MODES = {
    BodyMode.BUFFERED: processing_mode_pb2.ProcessingMode.BUFFERED,
    BodyMode.DUPLEX: processing_mode_pb2.ProcessingMode.FULL_DUPLEX_STREAMED,
}
_LOGGED = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "method": "%REQ(:METHOD)%",
    "path": "%PATH(NQ)%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "chosen_llm": f"%DYNAMIC_METADATA({METADATA}:llm)%",
    "answered_by": "%RESP(X-ROUTERDC-LLM)%",
    "reason": f"%DYNAMIC_METADATA({METADATA}:reason)%",
    "router_ms": f"%DYNAMIC_METADATA({METADATA}:time_ms)%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "upstream": "%UPSTREAM_HOST%",
    "duration_ms": "%DURATION%",
    "first_byte_ms": "%RESPONSE_DURATION%",
    "request_bytes": "%BYTES_RECEIVED%",
    "response_bytes": "%BYTES_SENT%",
}


def listener(candidates: Mapping[str, Sequence[str]], options: Options) -> listener_pb2.Listener:
    """The listener.

    Args:
        candidates: for each model that may be asked for, the clusters to try without the gateway, in order.
        options: addresses, limits and times.
    """
    manager = _connection_manager(routes(candidates, options), options)
    chain = listener_components_pb2.FilterChain(
        filters=[
            listener_components_pb2.Filter(
                name="envoy.filters.network.http_connection_manager", typed_config=packed(manager)
            )
        ]
    )
    return listener_pb2.Listener(
        name="openai",
        address=address(*options.listen),
        per_connection_buffer_limit_bytes={"value": buffer_bytes(options)},
        filter_chains=[chain],
    )


def _connection_manager(routes: route_pb2.RouteConfiguration, options: Options) -> hcm_pb2.HttpConnectionManager:
    return hcm_pb2.HttpConnectionManager(
        stat_prefix="openai",
        route_config=routes,
        http_filters=[
            _filter(EXT_PROC, _ext_proc(options)),
            _filter(lua_filters.NAME, lua_filters.fail_open()),
            _filter("envoy.filters.http.router", router_pb2.Router(suppress_envoy_headers=True)),
        ],
        access_log=[_access_log(options)],
        local_reply_config=_errors_in_openai_form(),
        use_remote_address={"value": True},
        early_header_mutation_extensions=[headers.at_the_edge()],
        internal_address_config=_nobody_is_internal(),
        normalize_path={"value": True},
        stream_idle_timeout=seconds(options.idle_timeout_seconds),
        request_headers_timeout=seconds(10),
        tracing=tracing(options) if options.otlp else None,
    )


def _nobody_is_internal() -> hcm_pb2.HttpConnectionManager.InternalAddressConfig:
    """An empty list would mean Envoy's own, the private networks; this address has nobody."""
    nobody = address_pb2.CidrRange(address_prefix="255.255.255.255", prefix_len={"value": 32})
    return hcm_pb2.HttpConnectionManager.InternalAddressConfig(cidr_ranges=[nobody])


def _filter(name: str, config: Message) -> hcm_pb2.HttpFilter:
    return hcm_pb2.HttpFilter(name=name, typed_config=packed(config))


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


def _errors_in_openai_form() -> hcm_pb2.LocalReplyConfig:
    """Envoy's own errors about endpoints. Those of the gateway have the form already, and no response flag."""
    error = struct_pb2.Struct()
    told = {"message": "%LOCAL_REPLY_BODY%", "type": "server_error", "param": None, "code": "%RESPONSE_FLAGS_LONG%"}
    error.update({"error": told})
    mapper = hcm_pb2.ResponseMapper(
        filter=accesslog_pb2.AccessLogFilter(
            response_flag_filter=accesslog_pb2.ResponseFlagFilter(flags=_UPSTREAM_FLAGS)
        ),
        body_format_override=substitution_format_string_pb2.SubstitutionFormatString(json_format=error),
    )
    return hcm_pb2.LocalReplyConfig(mappers=[mapper])


def _access_log(options: Options) -> accesslog_pb2.AccessLog:
    fields = struct_pb2.Struct()
    fields.update(_LOGGED)
    log = file_pb2.FileAccessLog(
        path=options.access_log,
        log_format=substitution_format_string_pb2.SubstitutionFormatString(json_format=fields),
    )
    return accesslog_pb2.AccessLog(name="envoy.access_loggers.file", typed_config=packed(log))
