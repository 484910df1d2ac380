"""The access log: one JSON object a request.

Nobody's prompt is in it: it has no field of the body, and paths without their query. What callers choose is cut
off, so that nobody fills a disk with it.
"""

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import substitution_format_string_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from google.protobuf import struct_pb2

from gateway.envoy_config.parts.dump import packed
from gateway.envoy_config.parts.options import Options
from gateway.openai.mutations import METADATA

_LOGGED = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "request_id": "%REQ(X-REQUEST-ID):128%",
    "method": "%REQ(:METHOD):16%",
    "path": "%PATH(NQ):256%",
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


def access_log(options: Options) -> accesslog_pb2.AccessLog:
    """Into the file that `options` names."""
    fields = struct_pb2.Struct()
    fields.update(_LOGGED)
    log = file_pb2.FileAccessLog(
        path=options.access_log,
        log_format=substitution_format_string_pb2.SubstitutionFormatString(json_format=fields),
    )
    return accesslog_pb2.AccessLog(name="envoy.access_loggers.file", typed_config=packed(log))
