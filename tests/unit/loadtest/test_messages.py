"""Messages that load is made of are the ones that the service's own clients send and accept."""

import json

import pytest
from tritonclient.grpc import service_pb2

from contract.v1 import router_pb2 as pb
from gateway import kserve
from loadtest import instant_triton, messages


def test_triton_is_asked_as_the_gateway_asks_it() -> None:
    assert messages.infer("Où est 北京?") == kserve.infer_request(["Où est 北京?"]).SerializeToString()


def test_chats_name_the_virtual_model() -> None:
    body = json.loads(messages.chat("hello", stream=True))
    assert body == {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize(
    ("reason", "problem"), [(pb.REASON_ROUTED, ""), (pb.REASON_CACHED, ""), (pb.REASON_FALLBACK, "REASON_FALLBACK")]
)
def test_a_default_is_no_decision(reason: pb.Reason.ValueType, problem: str) -> None:
    assert messages.route_problem(pb.RouteResponse(reason=reason).SerializeToString()) == problem


def test_an_answer_of_triton_must_have_scores() -> None:
    assert messages.infer_problem(instant_triton.answer(1).SerializeToString()) == ""
    assert messages.infer_problem(service_pb2.ModelInferResponse().SerializeToString()) == "NO_SCORES"
