"""The listener: what clients of OpenAI's API talk to."""

from envoy.config.core.v3 import address_pb2, protocol_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from gateway.envoy_config.http.access_log import access_log
from gateway.envoy_config.http.http_filters import http_filters
from gateway.envoy_config.http.local_errors import errors_in_openai_form
from gateway.envoy_config.http.routes import ROUTES_NAME, routes
from gateway.envoy_config.http.tracing import tracing
from gateway.envoy_config.parts import headers, watched
from gateway.envoy_config.parts.dump import address, packed, seconds
from gateway.envoy_config.parts.options import Options
from gateway.envoy_config.parts.without_gateway import WithoutGateway
from gateway.envoy_config.upstreams.clusters import buffer_bytes

_HEADERS_TIMEOUT_SECONDS = 10
_KEPT_ALIVE_SECONDS = 300  # an idle connection
# So long may who is refused go on sending, and still sees why; in Envoy's own second a slow sender does not look.
_SENDING_SECONDS = 5
# Of an answer that its caller does not read. It is also how much longer than allowed a body may be whose sender still
# sees the 413: the rest of a longer one stays unread, and resets the connection. With 256 KiB or one MiB one sender in
# ten of nine MiB, where eight are allowed, saw no 413.
_BUFFER_BYTES = 2 * 2**20
# Of one HTTP/2 connection; a stream's window is what a sender may have under way before Envoy reads on.
_MAX_STREAMS, _STREAM_WINDOW_BYTES, _CONNECTION_WINDOW_BYTES = 100, 256 * 1024, 2**20


def listener(known: WithoutGateway, options: Options) -> listener_pb2.Listener:
    """The listener; `known`: what Envoy answers while no gateway does."""
    chain = listener_components_pb2.FilterChain(
        filters=[
            listener_components_pb2.Filter(
                name="envoy.filters.network.http_connection_manager",
                typed_config=packed(_connection_manager(known, options)),
            )
        ]
    )
    return listener_pb2.Listener(
        name="openai",
        address=address(*options.listen),
        per_connection_buffer_limit_bytes={"value": min(_BUFFER_BYTES, buffer_bytes(options))},
        filter_chains=[chain],
    )


def _connection_manager(known: WithoutGateway, options: Options) -> hcm_pb2.HttpConnectionManager:
    return hcm_pb2.HttpConnectionManager(
        stat_prefix="openai",
        route_config=None if options.watched else routes(known, options),
        rds=hcm_pb2.Rds(route_config_name=ROUTES_NAME, config_source=watched.source(options.watched / watched.ROUTES))
        if options.watched
        else None,
        http_filters=http_filters(options),
        access_log=[access_log(options)],
        local_reply_config=errors_in_openai_form(options),
        use_remote_address={"value": True},
        preserve_external_request_id=True,  # a caller finds its own id in the answer and in the access log
        early_header_mutation_extensions=[headers.at_the_edge()],
        internal_address_config=_nobody_is_internal(),
        normalize_path={"value": True},
        common_http_protocol_options=protocol_pb2.HttpProtocolOptions(idle_timeout=seconds(_KEPT_ALIVE_SECONDS)),
        http_protocol_options=protocol_pb2.Http1ProtocolOptions(
            accept_http_10=True, default_host_for_http_10="routerdc"
        ),
        http2_protocol_options=protocol_pb2.Http2ProtocolOptions(
            max_concurrent_streams={"value": _MAX_STREAMS},
            initial_stream_window_size={"value": _STREAM_WINDOW_BYTES},
            initial_connection_window_size={"value": _CONNECTION_WINDOW_BYTES},
            # The other one reads half a million headers of a request to their end before it refuses them.
            use_oghttp2_codec={"value": True},
        ),
        # Until a request is there as a whole; an answer may take as long as it likes, while something comes.
        request_headers_timeout=seconds(_HEADERS_TIMEOUT_SECONDS),
        request_timeout=seconds(options.request_timeout_seconds),
        delayed_close_timeout=seconds(_SENDING_SECONDS),
        stream_idle_timeout=seconds(options.idle_timeout_seconds),
        tracing=tracing(options) if options.otlp else None,
    )


def _nobody_is_internal() -> hcm_pb2.HttpConnectionManager.InternalAddressConfig:
    """An empty list would mean Envoy's own, the private networks; this address has nobody."""
    nobody = address_pb2.CidrRange(address_prefix="255.255.255.255", prefix_len={"value": 32})
    return hcm_pb2.HttpConnectionManager.InternalAddressConfig(cidr_ranges=[nobody])
