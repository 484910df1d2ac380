import math

import pytest

from gateway.domain.query import RouteQuery
from gateway.errors import InvalidRequestError
from gateway.grpc_api.requests import checked
from gateway.policy.eligibility import CallerRules
from routerdc_contract.v1 import router_pb2 as pb

POOL = frozenset({"alpha", "beta"})


def check(request: pb.RouteRequest, max_query_bytes: int = 100) -> RouteQuery:
    return checked(request, POOL, max_query_bytes)


def chat(*messages: pb.ChatMessage) -> pb.RouteRequest:
    return pb.RouteRequest(chat=pb.ChatMessages(messages=messages))


def test_plain_query_is_taken_as_it_is_and_gets_a_request_id() -> None:
    query = check(pb.RouteRequest(query=" 2 + 2? "))
    assert (query.text, query.rules, query.cost_weight, query.max_candidates) == (" 2 + 2? ", (), None, 1)
    assert query.request_id


def test_what_the_request_allows_becomes_its_rules() -> None:
    query = check(pb.RouteRequest(query="q", allowed_llms=["alpha"], denied_llms=["beta"], max_price=0))
    assert query.rules == (CallerRules(frozenset({"alpha"}), frozenset({"beta"}), 0.0),)


def test_other_messages_of_a_chat_are_counted_but_not_routed() -> None:
    parts = [pb.ContentPart(type="text", text="no é"), pb.ContentPart(type="image_url")]
    request = chat(pb.ChatMessage(role="system", content="four"), pb.ChatMessage(role="user", parts=parts))
    assert (check(request).text, check(request).other_bytes) == ("no é", 4)


def test_request_id_of_the_caller_is_kept() -> None:
    assert check(pb.RouteRequest(query="q", request_id="mine")).request_id == "mine"


def test_last_user_message_of_a_chat_is_routed() -> None:
    request = chat(
        pb.ChatMessage(role="user", content="first"),
        pb.ChatMessage(role="user", content="second"),
        pb.ChatMessage(role="assistant", content="third"),
    )
    assert check(request).text == "second"


def test_text_parts_of_a_content_array_are_joined_and_others_left_out() -> None:
    parts = [
        pb.ContentPart(type="text", text="What is"),
        pb.ContentPart(type="image_url", text="no"),
        pb.ContentPart(type="text", text="this?"),
    ]
    assert check(chat(pb.ChatMessage(role="user", parts=parts))).text == "What is\nthis?"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.RouteRequest(), "query"),
        (pb.RouteRequest(query=""), "query"),
        (pb.RouteRequest(query=" \n\t"), "query"),
        (pb.RouteRequest(query="x" * 101), "query"),
        (pb.RouteRequest(query="中" * 34), "query"),
        (chat(), "chat.messages"),
        (pb.RouteRequest(query="q", allowed_llms=["alpha", "omega"]), "allowed_llms"),
        (pb.RouteRequest(query="q", cost_weight=-0.1), "cost_weight"),
        (pb.RouteRequest(query="q", cost_weight=math.nan), "cost_weight"),
        (pb.RouteRequest(query="q", cost_weight=math.inf), "cost_weight"),
        (pb.RouteRequest(query="q", max_price=-1), "max_price"),
        (pb.RouteRequest(query="q", min_margin=math.nan), "min_margin"),
        (pb.RouteRequest(query="q", denied_llms=["delta"]), "denied_llms"),
        (pb.RouteRequest(query="q", request_id="x" * 129), "request_id"),
    ],
)
def test_a_wrong_field_is_named(request_: pb.RouteRequest, field: str) -> None:
    with pytest.raises(InvalidRequestError) as error:
        check(request_)
    assert error.value.field == field


def test_a_chat_without_any_user_text_has_no_text_and_is_not_refused() -> None:
    assert check(chat(pb.ChatMessage(role="assistant", content="hello"))).text == ""
    assert check(chat(pb.ChatMessage(role="user", parts=[pb.ContentPart(type="image_url")]))).text == ""


def test_both_ends_of_a_long_text_in_a_chat_are_routed() -> None:
    query = check(chat(pb.ChatMessage(role="user", content="a" * 60 + "b" * 60)))
    assert query.text == "a" * 50 + "b" * 50
    assert query.conversation is not None
    assert query.conversation.truncated


def test_the_limit_counts_bytes_not_characters() -> None:
    assert check(pb.RouteRequest(query="中" * 33)).text == "中" * 33


def test_unknown_llms_are_listed_with_those_that_exist() -> None:
    with pytest.raises(InvalidRequestError, match="not in the pool: omega, psi; it has alpha, beta"):
        check(pb.RouteRequest(query="q", allowed_llms=["psi", "omega", "beta"]))
