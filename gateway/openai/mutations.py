"""Answers in Envoy's external processing protobufs, as pure functions.

envoy/service/ext_proc/v3/external_processor.proto; the endpoint picker's header and metadata are those of the
Kubernetes Gateway API inference extension (proposal 004-endpoint-picker-protocol).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as pb
from google.protobuf import struct_pb2

from gateway.openai.bodies.answers import OpenAiError
from gateway.openai.bodies.edits import Edit
from gateway.openai.routing import Routed
from gateway.policy.capabilities import ApiProtocol

METADATA = "routerdc"
"""Namespace of what access log and response headers tell."""
CANDIDATES_METADATA = "routerdc.candidates"
"""Namespace from which Envoy's priority group cluster specifier reads the clusters to try, in order."""
ENDPOINT_HEADER = "x-gateway-destination-endpoint"
ENDPOINT_METADATA = "envoy.lb"
MODEL_HEADER = "x-gateway-model-name"
LLM_HEADER = "x-routerdc-llm"
MAX_CHUNK_BYTES = 62_000
"""Most bytes of a body in one message: Envoy closes the stream at 64 KiB."""


_NO_HEADERS: Mapping[str, str] = {}


def continued() -> pb.CommonResponse:
    """Go on, nothing to change."""
    return pb.CommonResponse()


def header_map(message: pb.HttpHeaders) -> dict[str, str]:
    """Headers by name in lower case. Envoy sends `raw_value`; other proxies may send `value`."""
    return {h.key.lower(): (h.raw_value or h.value.encode()).decode(errors="replace") for h in message.headers.headers}


def headers_response(common: pb.CommonResponse) -> pb.ProcessingResponse:
    """The answer to a request's headers."""
    return pb.ProcessingResponse(request_headers=pb.HeadersResponse(response=common))


def body_response(field: str, common: pb.CommonResponse) -> pb.ProcessingResponse:
    """The answer to a piece of a body; `field` is request_body or response_body."""
    body = pb.BodyResponse(response=common)
    if field == "request_body":
        return pb.ProcessingResponse(request_body=body)
    return pb.ProcessingResponse(response_body=body)


def request_mutation(routed: Routed, *, endpoint_picker: bool) -> pb.CommonResponse:
    """Headers of a routed request, without its body; the route is matched again."""
    headers = {
        LLM_HEADER: routed.llm,
        MODEL_HEADER: routed.model,
        "content-length": str(len(routed.body)),
        "x-envoy-max-retries": str(len(routed.attempts) - 1),
    }
    if endpoint_picker:
        headers[ENDPOINT_HEADER] = ",".join(routed.endpoints)
    mutation = _set(headers)
    mutation.remove_headers.extend(["content-encoding"] if routed.inflated else [])
    return pb.CommonResponse(header_mutation=mutation, clear_route_cache=True)


def metadata(routed: Routed, *, endpoint_picker: bool) -> struct_pb2.Struct:
    """Dynamic metadata of a routed request."""
    struct = struct_pb2.Struct()  # filled field by field: Struct.update takes four times as long
    told = struct.fields[METADATA].struct_value.fields
    for name, value in {"llm": routed.llm, "model": routed.model, **_told(routed)}.items():
        told[name].string_value = value
    for attempt, edits in routed.edits.items():
        told["edits"].struct_value.fields[attempt].string_value = _packed(edits)
    struct.fields[CANDIDATES_METADATA].struct_value.CopyFrom(_groups(routed.attempts))
    if endpoint_picker:
        picked = struct.fields[ENDPOINT_METADATA].struct_value.fields
        picked[ENDPOINT_HEADER].string_value = ",".join(routed.endpoints)
    return struct


@lru_cache(maxsize=1024)
def _groups(attempts: tuple[str, ...]) -> struct_pb2.Struct:
    """What Envoy's priority group cluster specifier reads: one group for each attempt. Not to be changed."""
    struct = struct_pb2.Struct()
    clusters: list[Any] = [{"name": name, "clusters": [{"cluster_name": name, "weight": 1}]} for name in attempts]
    struct.update({"priority_groups": clusters})
    return struct


def chunks(body: bytes, *, last: bool) -> Iterator[pb.CommonResponse]:
    """A body in pieces, for mode FULL_DUPLEX_STREAMED; `last`: nothing, not even trailers, follows."""
    for start in range(0, len(body), MAX_CHUNK_BYTES) or (0,):
        ends = last and start + MAX_CHUNK_BYTES >= len(body)
        chunk = pb.StreamedBodyResponse(body=body[start : start + MAX_CHUNK_BYTES], end_of_stream=ends)
        yield pb.CommonResponse(body_mutation=pb.BodyMutation(streamed_response=chunk))


def immediate(status: int, body: bytes, headers: Mapping[str, str] = _NO_HEADERS) -> pb.ImmediateResponse:
    """Answers in the LLM's place, in JSON."""
    answer = pb.ImmediateResponse(headers=_set({"content-type": "application/json", **headers}), body=body)
    answer.status.code = status
    return answer


def error(problem: OpenAiError, protocol: ApiProtocol = ApiProtocol.OPENAI) -> pb.ImmediateResponse:
    """Answers with an error, in the form of the API that was called."""
    seconds = problem.retry_after_seconds
    headers = {} if seconds is None else {"retry-after": str(math.ceil(seconds))}
    headers |= {} if problem.allow is None else {"allow": problem.allow}
    return immediate(problem.status, problem.body(protocol), headers)


def _packed(edits: Sequence[Edit]) -> str:
    """For adapt.lua, one after the other: from which byte to which (not included), how long the text is, the text."""
    return "".join(f"{edit.start} {edit.end} {len(edit.text)} {edit.text.decode()}" for edit in edits)


def _told(routed: Routed) -> dict[str, str]:
    told = {"reason": routed.reason, "time_ms": f"{routed.router_ms:.3f}"}
    told |= {"caller": routed.caller} if routed.caller else {}
    return told | ({"truncated": "true"} if routed.truncated else {})


def _set(headers: Mapping[str, str]) -> pb.HeaderMutation:
    overwrite = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    return pb.HeaderMutation(
        set_headers=[
            base_pb2.HeaderValueOption(
                header=base_pb2.HeaderValue(key=key, raw_value=value.encode()), append_action=overwrite
            )
            for key, value in headers.items()
        ]
    )
