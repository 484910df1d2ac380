"""Callers report how endpoints did: through the running server, with the clients."""

import math
from collections.abc import Awaitable, Callable

import grpc
import pytest
from grpc import aio

from routerdc_client import AsyncRouterClient, RouteError
from routerdc_contract.v1 import router_pb2 as pb
from tests.unit.gateway.conftest import Running, endpoints_file

Start = Callable[..., Awaitable[Running]]

BETA = pb.Endpoint(address="http://beta.test/v1", model="beta-model")


def report(outcome: pb.Outcome.ValueType, **fields: float) -> pb.ReportOutcomeRequest:
    return pb.ReportOutcomeRequest(endpoint=BETA, outcome=outcome, **fields)


async def eject(running: Running, *llms: str) -> None:
    for llm in llms:
        endpoint = pb.Endpoint(address=f"http://{llm}.test/v1", model=f"{llm}-model")
        for _ in range(5):
            await running.stub.ReportOutcome(pb.ReportOutcomeRequest(endpoint=endpoint, outcome=pb.OUTCOME_TIMEOUT))


async def test_an_llm_whose_endpoint_fails_again_and_again_is_not_chosen_any_more(start: Start) -> None:
    running = await start()
    states = [(await running.stub.ReportOutcome(report(pb.OUTCOME_ERROR, latency_ms=100))).state for _ in range(5)]
    assert states == [pb.ENDPOINT_STATE_HEALTHY] * 4 + [pb.ENDPOINT_STATE_EJECTED]
    response = await running.stub.Route(pb.RouteRequest(query="q", max_candidates=9))
    assert [candidate.llm for candidate in response.candidates] == ["alpha", "gamma"]
    assert running.metric("routerdc_endpoint_outcomes_total", llm="beta", outcome="error") == 5
    assert running.metric("routerdc_endpoint_latency_seconds_sum", llm="beta") == pytest.approx(0.5)
    assert running.metric("routerdc_endpoint_ejections_total", llm="beta") == 1


async def test_the_states_are_listed(start: Start) -> None:
    llms = endpoints_file().model_dump()["llms"]
    llms["alpha"]["endpoints"] += ({"address": "http://a2", "model": "m", "in_use": False, "weight": 3},)
    running = await start(file=endpoints_file(llms=llms))
    await eject(running, "beta")
    listed = {llm.name: llm for llm in (await running.stub.ListLlms(pb.ListLlmsRequest())).llms}
    assert [(s.state, s.weight) for s in listed["alpha"].endpoint_statuses] == [
        (pb.ENDPOINT_STATE_HEALTHY, 1),
        (pb.ENDPOINT_STATE_OUT_OF_USE, 3),
    ]
    assert listed["beta"].endpoint_statuses[0].endpoint == BETA
    assert (listed["beta"].endpoint_statuses[0].state, listed["beta"].healthy) == (pb.ENDPOINT_STATE_EJECTED, False)


async def test_where_everybody_is_ejected_they_are_asked_all_the_same_and_that_is_counted(start: Start) -> None:
    running = await start()
    await eject(running, "alpha", "beta", "gamma")
    assert (await running.stub.Route(pb.RouteRequest(query="q"))).llm == "beta"
    assert running.metric("routerdc_last_resorts_total") == 1


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (
            pb.ReportOutcomeRequest(outcome=pb.OUTCOME_OK, endpoint=pb.Endpoint(address="http://x", model="m")),
            "endpoint",
        ),
        (report(pb.OUTCOME_UNSPECIFIED), "outcome"),
        (report(pb.OUTCOME_OK, latency_ms=math.nan), "latency_ms"),
        (report(pb.OUTCOME_OK, latency_ms=-1), "latency_ms"),
    ],
)
async def test_a_wrong_report_is_refused_with_the_field(
    start: Start, request_: pb.ReportOutcomeRequest, field: str
) -> None:
    with pytest.raises(aio.AioRpcError, match=f"{field}: ") as error:
        await (await start()).stub.ReportOutcome(request_)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_client_reports_the_endpoint_of_a_decision(start: Start) -> None:
    async with AsyncRouterClient((await start()).address) as client:
        endpoint = (await client.route("q")).endpoint
        assert await client.report_outcome(endpoint, pb.OUTCOME_OK, latency_ms=3) == pb.ENDPOINT_STATE_HEALTHY
        with pytest.raises(RouteError) as error:
            await client.report_outcome(pb.Endpoint(), pb.OUTCOME_OK)
    assert error.value.fields == ("endpoint",)
