"""What counts as an answer: defaults, cached scores and failed rows must not be measured as decisions."""

import itertools

import pytest

from loadtest.closed_loop.closed_loop import Service, WrongAnswerError
from loadtest.requests.query_stream import Supply
from loadtest.servers import targets
from loadtest.servers.servers import Part
from routerdc_contract.v1 import router_pb2 as pb

GATEWAY, TRITON = Part("127.0.0.1:1", 11), Part("127.0.0.1:2", 22)


@pytest.fixture
def queries() -> Supply:
    return Supply(["a", "b", "c"])


def response(reason: "pb.Reason.ValueType") -> bytes:
    return pb.RouteResponse(llm="x", reason=reason).SerializeToString()


def test_new_queries_must_be_routed_and_not_cached(queries: Supply) -> None:
    service = targets.route(GATEWAY, queries, TRITON)
    service.check(response(pb.REASON_ROUTED))
    for reason in (pb.REASON_CACHED, pb.REASON_FALLBACK):
        with pytest.raises(WrongAnswerError, match=pb.Reason.Name(reason)):
            service.check(response(reason))
    assert service.pids == (11, 22)


def test_repeated_query_may_be_cached_but_no_default(queries: Supply) -> None:
    service = targets.route_repeated(GATEWAY)
    service.check(response(pb.REASON_CACHED))
    with pytest.raises(WrongAnswerError):
        service.check(response(pb.REASON_FALLBACK))
    assert next(service.requests) == next(service.requests)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (pb.RouteResult(response=pb.RouteResponse(reason=pb.REASON_FALLBACK)), "FALLBACK"),
        (pb.RouteResult(error={"message": "query: empty"}), "query: empty"),
    ],
)
def test_a_single_bad_row_spoils_a_batch(queries: Supply, row: pb.RouteResult, problem: str) -> None:
    service = targets.route_batch(GATEWAY, queries, 2)
    good = pb.RouteResult(response=pb.RouteResponse(reason=pb.REASON_ROUTED))
    service.check(pb.RouteBatchResponse(results=[good, good]).SerializeToString())
    with pytest.raises(WrongAnswerError, match=problem):
        service.check(pb.RouteBatchResponse(results=[good, row]).SerializeToString())


def test_no_query_is_sent_twice(queries: Supply) -> None:
    service: Service = targets.route(GATEWAY, queries)
    batches = targets.route_batch(GATEWAY, queries, 2)
    single = [pb.RouteRequest.FromString(message).query for message in itertools.islice(service.requests, 4)]
    rows = [row.query for row in pb.RouteBatchRequest.FromString(next(batches.requests)).requests]
    assert len({*single, *rows}) == 6
