import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequestError
from gateway.grpc_api.intake import wire
from routerdc_contract.v1 import router_pb2 as pb

EMPTY = b"\x0a\x00"


def test_a_large_message_with_few_fields_is_parsed() -> None:
    request = pb.RouteRequest(query="q" * 1_000_000, allowed_llms=["a", "b"], cost_weight=0.5, max_candidates=3)
    assert wire.parser(pb.RouteRequest)(request.SerializeToString()) == request


@pytest.mark.parametrize("fields", [wire.MAX_FIELDS, wire.MAX_FIELDS + 1])
def test_fields_are_counted_down_to_the_parts_of_chats(fields: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "COUNTED_BYTES", 0)
    request = pb.RouteBatchRequest()
    message = request.requests.add().chat.messages.add()  # three fields so far: row, chat, message
    for _ in range(fields - 3):
        message.parts.add()
    parsed = wire.parser(pb.RouteBatchRequest)(request.SerializeToString())
    assert isinstance(parsed, pb.RouteBatchRequest) is (fields == wire.MAX_FIELDS)


def test_too_many_empty_rows_are_refused_by_name() -> None:
    parsed = wire.parser(pb.RouteBatchRequest)(EMPTY * 100_000)
    assert isinstance(parsed, InvalidRequestError)
    assert "more than 16384 fields" in str(parsed)


def test_a_message_above_the_limit_is_refused_by_its_size() -> None:
    message = pb.RouteRequest(query="q" * 100).SerializeToString()
    parsed = wire.parser(pb.RouteRequest, len(message) - 1)(message)
    assert isinstance(parsed, InvalidRequestError)
    assert f"it has {len(message)} bytes" in str(parsed)
    assert isinstance(wire.parser(pb.RouteRequest, len(message))(message), pb.RouteRequest)


def test_what_is_no_message_is_refused_not_an_internal_error() -> None:
    assert isinstance(wire.parser(pb.RouteRequest)(b"\xff\xff\xff"), InvalidRequestError)


@given(st.binary(max_size=400))
def test_the_count_ends_whatever_the_bytes_are(data: bytes) -> None:
    assert 0 <= wire.count_fields(data, pb.RouteBatchRequest.DESCRIPTOR) <= wire.MAX_FIELDS
