"""Messages that load is made of are the ones that the service's own clients send and accept."""

import json

import pytest
from google.rpc import code_pb2, status_pb2
from tritonclient.grpc import service_pb2

from gateway.scoring.triton import kserve
from loadtest.requests import messages
from loadtest.stubs import instant_triton
from routerdc_contract.v1 import router_pb2 as pb


def test_triton_is_asked_as_the_gateway_asks_it() -> None:
    assert messages.infer("Où est 北京?") == kserve.infer_request(["Où est 北京?"])


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


def test_a_batch_is_as_good_as_its_worst_result() -> None:
    decided = pb.RouteResult(response=pb.RouteResponse(reason=pb.REASON_ROUTED))
    fell_back = pb.RouteResult(response=pb.RouteResponse(reason=pb.REASON_FALLBACK))
    refused = pb.RouteResult(error=status_pb2.Status(code=code_pb2.INVALID_ARGUMENT))
    for results, problem in (
        ([decided], ""),
        ([decided, fell_back], "REASON_FALLBACK"),
        ([refused], "INVALID_ARGUMENT"),
    ):
        assert messages.batch_problem(pb.RouteBatchResponse(results=results).SerializeToString()) == problem
