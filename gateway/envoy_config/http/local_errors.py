"""The form of errors that Envoy makes by itself: JSON as OpenAI's, instead of plain text or nothing.

What the gateway, our Lua and our routes answer has the form already; Envoy's details of an answer tell it apart.
"""

from collections.abc import Iterator
from typing import Any

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import base_pb2, substitution_format_string_pb2
from envoy.extensions.access_loggers.filters.cel.v3 import cel_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from google.protobuf import struct_pb2

from gateway.envoy_config.http.address_rate import DETAILS
from gateway.envoy_config.parts.dump import packed
from gateway.envoy_config.parts.options import Options

# Envoy's details of an answer: no details has what the gateway answers at once (ImmediateResponse).
_OURS = ("", "direct_response", "lua_response")


def errors_in_openai_form(options: Options) -> hcm_pb2.LocalReplyConfig:
    """One text for each status that callers bring about; Envoy's own words for the rest, which is about endpoints."""
    told = {
        408: f"the request did not arrive as a whole within {options.request_timeout_seconds} s",
        413: f"body: larger than the limit of {options.max_body_bytes} bytes",
        426: "this version of HTTP is not served; use HTTP/1.1 or HTTP/2",
        431: "headers: too many, or larger than 60 KiB",
    }
    codes = {408: "request_timeout", 413: "request_too_large", 431: "headers_too_large"}
    client = [_mapper(f"response.code == {status}", _error(text, codes.get(status))) for status, text in told.items()]
    limited = f"response.code_details == '{DETAILS}'"
    client.append(_mapper(limited, _error("too many requests from this address; try again", "rate_limit_exceeded")))
    client.append(
        _mapper("response.code < 500", _error("this request cannot be served: %RESPONSE_CODE_DETAILS%", None))
    )
    undecided = _error("the router is not reachable", "router_unavailable", kind="server_error")
    other = _error("%LOCAL_REPLY_BODY%", "%RESPONSE_FLAGS_LONG%", kind="server_error")
    without_decision = "response.code == 503 && response.code_details.startsWith('ext_proc')"
    memory = _error("the proxy is short of memory; try again", "overloaded", kind="server_error")
    overloaded = _mapper("response.code_details == 'overload'", memory)
    overloaded.status_code.value = 503  # Envoy says 500 where it cuts a sender off
    mappers = [*client, overloaded, _mapper(without_decision, undecided), _mapper("true", other)]
    return hcm_pb2.LocalReplyConfig(mappers=[*_of_grpc(), *mappers])


def _of_grpc() -> Iterator[hcm_pb2.ResponseMapper]:
    """A gRPC call ends with a status, whose message is plain text."""
    form = substitution_format_string_pb2.SubstitutionFormatString
    is_grpc = "request.headers['content-type'].startsWith('application/grpc')"
    for condition, text in (
        (f"response.code == 404 && {is_grpc}", "there is no such service"),
        (is_grpc, "%LOCAL_REPLY_BODY%"),
    ):
        yield _mapped(condition, form(text_format_source=base_pb2.DataSource(inline_string=text)))


def _error(message: str, code: str | None, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _mapper(condition: str, error: dict[str, Any]) -> hcm_pb2.ResponseMapper:
    ours = ", ".join(f"'{details}'" for details in _OURS)
    form = struct_pb2.Struct()
    form.update(error)
    return _mapped(
        f"!(response.code_details in [{ours}]) && {condition}",
        substitution_format_string_pb2.SubstitutionFormatString(json_format=form),
    )


def _mapped(condition: str, form: substitution_format_string_pb2.SubstitutionFormatString) -> hcm_pb2.ResponseMapper:
    return hcm_pb2.ResponseMapper(
        filter=accesslog_pb2.AccessLogFilter(
            extension_filter=accesslog_pb2.ExtensionFilter(
                name="envoy.access_loggers.extension_filters.cel",
                typed_config=packed(cel_pb2.ExpressionFilter(expression=condition)),
            )
        ),
        body_format_override=form,
    )
