"""Bytes that come close to what each entrance expects, and how bytes become messages."""

import json
import struct
from collections.abc import Iterator
from typing import Any

import yaml
from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.ext_proc.v3 import processing_mode_pb2
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext
from google.protobuf import json_format
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from gateway.scoring.triton import kserve
from routerdc_contract import tensors
from routerdc_contract.v1 import router_pb2 as pb
from tests.fuzz.texts import damaged, json_bytes, numbers, one_of_many, sendable_texts, texts, values

_LLMS = st.one_of(st.sampled_from(["alpha", "beta", "gamma"]), sendable_texts)
_DOUBLES = st.one_of(st.floats(), st.sampled_from([0.0, -1.0, 1e308, float("nan"), float("inf")]))


def _maybe(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), value)


_part = st.builds(pb.ContentPart, type=st.one_of(st.just("text"), sendable_texts), text=sendable_texts)
_message = st.builds(
    pb.ChatMessage,
    role=st.one_of(st.sampled_from(["user", "system", "tool"]), sendable_texts),
    content=sendable_texts,
    parts=st.lists(_part, max_size=4),
)


def _request(query: str | None, chat: list[Any], **fields: Any) -> pb.RouteRequest:
    request = pb.RouteRequest(**{name: value for name, value in fields.items() if value is not None})
    if query is not None:
        request.query = query
    elif chat:
        request.chat.messages.extend(chat)
    return request


_route_request = st.builds(
    _request,
    query=_maybe(sendable_texts),
    chat=st.lists(_message, max_size=5),
    allowed_llms=st.lists(_LLMS, max_size=4),
    denied_llms=st.lists(_LLMS, max_size=4),
    cost_weight=_maybe(_DOUBLES),
    max_price=_maybe(_DOUBLES),
    min_margin=_maybe(_DOUBLES),
    min_confidence=_maybe(_DOUBLES),
    max_candidates=_maybe(st.integers(0, 2**32 - 1)),
    request_id=_maybe(sendable_texts),
    session_id=_maybe(sendable_texts),
)
route_requests = damaged(_route_request.map(lambda request: request.SerializeToString()))
batches = damaged(
    st.lists(_route_request, max_size=70).map(lambda rows: pb.RouteBatchRequest(requests=rows).SerializeToString())
)
reports = damaged(
    st.builds(
        lambda address, model, outcome, latency_ms: pb.ReportOutcomeRequest(
            endpoint=pb.Endpoint(address=address, model=model), outcome=outcome, latency_ms=latency_ms
        ).SerializeToString(),
        st.one_of(st.just("http://alpha.test/v1"), sendable_texts),
        st.one_of(st.just("alpha-model"), sendable_texts),
        st.integers(-(2**31), 2**31 - 1) | st.integers(0, 5),
        _maybe(_DOUBLES),
    )
)


def pieces(data: bytes) -> Iterator[bytes]:
    """`data` as a list of byte strings, each behind its length; never fails."""
    at = 0
    while at + 2 <= len(data):
        (size,) = struct.unpack_from("<H", data, at)
        yield data[at + 2 : at + 2 + size]
        at += 2 + size


def joined(parts: list[bytes]) -> bytes:
    """The other way."""
    return b"".join(struct.pack("<H", min(len(part), 65535)) + part[:65535] for part in parts)


streams = st.lists(route_requests, max_size=12).map(joined)

HTTP_PATHS = ("/v1/route", "/v1/route?explain=true", "/v1/systemone", "/v1/decisions")
_routed = _route_request.map(lambda request: json_format.MessageToDict(request, preserving_proto_field_name=True))
_named = st.sampled_from(["alpha", "beta", "auto"])
_ask = st.sampled_from(["Will alpha answer this well?", "can `auto` answer it", "", "will \x00 answer it"])
_options = st.lists(_named, min_size=2, max_size=3, unique=True).map(lambda names: [{"value": name} for name in names])
_systemone_question = st.one_of(
    st.fixed_dictionaries({"type": st.just("choice"), "criteria": st.dictionaries(_named, values, min_size=1)}),
    st.fixed_dictionaries({"type": st.just("noul"), "instructions": _ask}),
    st.fixed_dictionaries({"type": st.sampled_from(["choice", "noul", "x"])}, optional={"criteria": values}),
)
_decisions_question = st.one_of(
    st.fixed_dictionaries({"type": st.just("choice"), "choices": _options}, optional={"name": texts}),
    st.fixed_dictionaries({"type": st.just("predicate"), "instructions": _ask}),
    st.fixed_dictionaries({"type": st.sampled_from(["choice", "predicate", "x"])}, optional={"choices": values}),
)
_chat = st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": texts}), min_size=1, max_size=3)
_subject = st.sampled_from(["a text", "text", "x" * 5000]) | _chat | values
_systemone = st.fixed_dictionaries(
    {"state": _subject, "questions": st.dictionaries(texts, _systemone_question, min_size=1, max_size=2)}
)
_decisions = st.fixed_dictionaries(
    {"input": _subject, "questions": st.lists(_decisions_question, min_size=1, max_size=2)}
)
http_bodies = damaged(st.one_of(_routed, _systemone, _decisions).map(json_bytes))

_content = one_of_many(
    texts,
    st.lists(
        st.fixed_dictionaries({"type": one_of_many("text", "input_text"), "text": one_of_many(texts)}), max_size=4
    ),
)
_messages = one_of_many(
    st.lists(st.fixed_dictionaries({"role": one_of_many("user", "system"), "content": _content}), max_size=6)
)
_model = one_of_many("auto", "auto", "auto", "alpha", "nobody")
_fields = st.fixed_dictionaries(
    {"model": _model},
    optional={
        "messages": _messages,
        "prompt": one_of_many(texts, st.lists(texts, max_size=3)),
        "input": one_of_many(texts, _messages),
        "stream": values,
        "n": numbers,
    },
)


def _with_a_key_again(body: bytes, key: bytes, at: int) -> bytes:
    """`body`, an object, with one more member; its key may be there already, or be written in escapes."""
    separator = b"" if body == b"{}" else b", "
    member = b'"' + key + b'": "auto"'
    return b"{" + member + separator + body[1:] if at else body[:-1] + separator + member + b"}"


_repeated = st.builds(
    _with_a_key_again,
    _fields.map(json_bytes),
    st.sampled_from([b"model", rb"mod\u0065l", b"MODEL", rb"model\u0000", b"messages", b"x"]),
    st.integers(0, 1),
)
_many_small_parts = st.builds(
    lambda part, count, role: json_bytes(
        {"model": "auto", "messages": [{"role": role, "content": [part] * count}], "input": [part] * count}
    ),
    st.sampled_from([[], {}, "", 1.1, None, {"type": "text", "text": ""}, {"type": "image_url"}]),
    st.integers(0, 3000),
    st.sampled_from(["user", "assistant", "tool"]),
)
bodies = damaged(st.one_of(_fields.map(json_bytes), _repeated, _many_small_parts))


def whole_request(path: str, data: bytes, coding: str = "") -> list[Any]:
    """What Envoy sends in mode BUFFERED."""
    return [
        _headers({":method": "POST", ":path": path, "content-encoding": coding}),
        ext.ProcessingRequest(request_body=ext.HttpBody(body=data, end_of_stream=True)),
    ]


def _headers(headers: dict[str, str], **fields: Any) -> Any:
    pairs = [base_pb2.HeaderValue(key=key, raw_value=value.encode(errors="replace")) for key, value in headers.items()]
    return ext.ProcessingRequest(request_headers=ext.HttpHeaders(headers=base_pb2.HeaderMap(headers=pairs), **fields))


def envoy_messages(data: bytes) -> Iterator[Any]:
    """Each piece of `data` is a message: its first byte says which, the rest is what is in it."""
    modes = processing_mode_pb2.ProcessingMode
    for piece in pieces(data):
        kind, rest = (piece[0] if piece else 0), piece[1:]
        last = bool(kind & 0x10)
        match kind % 7:
            case 0:
                path = ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/models", "/v1/models/x", "/"][
                    kind // 7 % 6
                ]
                method = "GET" if "models" in path else "POST"
                message = _headers(
                    {":method": method, ":path": path, "content-length": rest.decode(errors="replace")},
                    end_of_stream=last,
                )
            case 1:
                message = ext.ProcessingRequest(request_body=ext.HttpBody(body=rest, end_of_stream=last))
            case 2:
                message = ext.ProcessingRequest(request_trailers=ext.HttpTrailers())
            case 3:
                message = ext.ProcessingRequest(response_headers=ext.HttpHeaders())
            case 4:
                message = ext.ProcessingRequest(response_body=ext.HttpBody(body=rest, end_of_stream=last))
            case 5:
                message = ext.ProcessingRequest(response_trailers=ext.HttpTrailers())
            case _:
                message = ext.ProcessingRequest()
        if kind & 0x20:
            message.protocol_config.request_body_mode = modes.FULL_DUPLEX_STREAMED
        yield message


exchanges = st.lists(
    st.tuples(st.integers(0, 255), st.one_of(bodies, st.binary(max_size=20))).map(lambda one: bytes([one[0]]) + one[1]),
    max_size=10,
).map(joined)


def _answer(outputs: list[tuple[str, bytes]]) -> bytes:
    response = service_pb2.ModelInferResponse()
    for name, raw in outputs:
        response.outputs.add(name=name)
        response.raw_output_contents.append(raw)
    return bytes(response.SerializeToString())


_names = st.sampled_from([*kserve.SCORES_OUTPUTS, tensors.FAMILIARITY, tensors.QUERY_CRC32])
triton_answers = damaged(st.lists(st.tuples(_names, st.binary(max_size=40)), max_size=6).map(_answer))

_hash = one_of_many("0" * 64, st.text("0123456789abcdef", min_size=64, max_size=64))
_llm = st.fixed_dictionaries(
    {"name": one_of_many("alpha", texts)}, optional={"price": one_of_many(numbers), "calibration": values}
)
manifests = damaged(
    st.fixed_dictionaries(
        {
            "schema_version": one_of_many(1),
            "bundle_id": one_of_many("0" * 16),
            "name": one_of_many("x"),
            "encoder": one_of_many(
                st.fixed_dictionaries(
                    {"name": one_of_many("e"), "sources": one_of_many(["hub:a/b"]), "weights_sha256": _hash}
                )
            ),
            "tokenizer": one_of_many(
                st.fixed_dictionaries(
                    {"sha256": _hash, "max_tokens": one_of_many(128), "truncation_side": one_of_many("left")}
                )
            ),
            "weights_sha256": _hash,
            "dim": one_of_many(384),
            "llms": one_of_many(st.lists(_llm, max_size=4)),
        },
        optional={"scale": one_of_many(numbers), "training": values, "metrics": values},
    ).map(json_bytes)
)

_address = one_of_many(
    "http://h/v1",
    "https://[::1]:8000/v1",
    "http://h:99999",
    "http://h:x/",
    "http://[::1",
    "http://:80",
    texts.map("http://{}".format),
)
_endpoint = st.fixed_dictionaries(
    {"address": _address, "model": one_of_many("m", texts)},
    optional={
        "weight": one_of_many(numbers),
        "in_use": values,
        "probe_path": one_of_many("/health"),
        "api_key_env": one_of_many("KEY"),
        "ca_file": one_of_many("/x"),
    },
)
_names_of_llms = st.one_of(st.sampled_from(["a", "b"]), texts)
_pool_llm = st.fixed_dictionaries(
    {"endpoints": one_of_many(st.lists(_endpoint, max_size=3))},
    optional={"price": one_of_many(numbers), "context_tokens": one_of_many(numbers)},
)


def _as_yaml(value: Any) -> bytes:
    try:
        return yaml.safe_dump(value, allow_unicode=True).encode(errors="replace")
    except yaml.YAMLError:
        return json.dumps(value).encode()


def _good_or_odd_pool(llms: dict[str, Any], rest: dict[str, Any]) -> dict[str, Any]:
    return {"default": list(llms)[:2], "llms": llms} | rest


_virtual = one_of_many(
    st.dictionaries(
        texts, one_of_many({}, st.fixed_dictionaries({"cost_weight": numbers, "allowed": values})), max_size=2
    )
)
endpoint_files = damaged(
    st.builds(
        _good_or_odd_pool,
        st.dictionaries(_names_of_llms, one_of_many(_pool_llm), max_size=3),
        st.fixed_dictionaries({}, optional={"virtual_models": _virtual, "default": values, "x": values}),
    ).flatmap(lambda value: st.sampled_from([_as_yaml(value), json.dumps(value).encode()]))
)
_key = st.fixed_dictionaries(
    {"name": one_of_many("n", texts), "sha256": _hash},
    optional={"queries_per_second": numbers, "burst": numbers, "allowed": values},
)
key_files = damaged(st.fixed_dictionaries({"keys": one_of_many(st.lists(_key, max_size=3))}).map(_as_yaml))

_row = st.fixed_dictionaries(
    {
        "question": one_of_many(texts),
        "scores": one_of_many(st.dictionaries(texts, one_of_many(0.5, 1, None), max_size=3)),
    },
    optional={"costs": one_of_many(st.dictionaries(texts, numbers, max_size=3)), "cluster_id": one_of_many(numbers)},
)


def _rows_as(rows: list[Any], how: int) -> bytes:
    if how == 0:
        return json_bytes(rows)
    if how == 1:
        return b"\n".join(map(json_bytes, rows))
    return b"question,scores.a,cluster_id\n" + b"\n".join(json_bytes(row) for row in rows)


data_files = damaged(st.builds(_rows_as, st.lists(one_of_many(_row), max_size=4), st.integers(0, 2)))
