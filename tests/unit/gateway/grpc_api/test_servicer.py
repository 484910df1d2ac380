import asyncio
from collections.abc import Awaitable, Callable

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2
from grpc import aio
from grpc_status import rpc_status

from gateway.domain.scorer import Bundle
from gateway.errors import InvalidRequestError, ScorerUnavailableError
from gateway.scoring.bisecting import BisectingScorer
from gateway.scoring.coalescer import Coalescer
from routerdc_contract.v1 import router_pb2 as pb
from tests.support.fakes.scorer import BUNDLE, FakeScorer
from tests.support.waiting import until
from tests.unit.gateway.conftest import Running, endpoints_file
from tests.unit.gateway.scoring.behind_cache import behind_cache

Start = Callable[..., Awaitable[Running]]


async def refused(call: Awaitable[object]) -> aio.AioRpcError:
    with pytest.raises(aio.AioRpcError) as error:
        await call
    return error.value


async def read(call: aio.StreamStreamCall[pb.RouteRequest, pb.RouteResult]) -> pb.RouteResult:
    result = await call.read()
    assert isinstance(result, pb.RouteResult)
    return result


async def test_the_best_llm_is_chosen_with_its_endpoint_and_everything_that_is_known(start: Start) -> None:
    response = await (await start()).stub.Route(pb.RouteRequest(query="hello", max_candidates=9, request_id="r1"))
    assert (response.request_id, response.llm, response.reason) == ("r1", "beta", pb.REASON_ROUTED)
    assert response.endpoint == pb.Endpoint(address="http://beta.test/v1", model="beta-model")
    assert [c.llm for c in response.candidates] == ["beta", "alpha", "gamma"]
    assert [round(c.score, 6) for c in response.candidates] == [0.9, 0.5, 0.1]
    assert response.margin == pytest.approx(0.4)
    assert (response.token_count, response.truncated, response.bundle_id) == (5, False, BUNDLE.bundle_id)
    assert response.timings.total_ns >= response.timings.score_ns > 0


async def test_no_number_of_candidates_means_the_chosen_one_and_the_margin_still_counts_all(start: Start) -> None:
    response = await (await start()).stub.Route(pb.RouteRequest(query="hello"))
    assert [c.llm for c in response.candidates] == ["beta"]
    assert response.margin == pytest.approx(0.4)


async def test_only_allowed_llms_take_part(start: Start) -> None:
    request = pb.RouteRequest(query="q", allowed_llms=["gamma", "alpha"], max_candidates=3)
    response = await (await start()).stub.Route(request)
    assert [c.llm for c in response.candidates] == ["alpha", "gamma"]


async def test_a_single_allowed_llm_needs_no_scores(start: Start) -> None:
    running = await start()
    response = await running.stub.Route(pb.RouteRequest(query="q", allowed_llms=["gamma"]))
    assert (response.llm, response.reason, response.HasField("margin")) == ("gamma", pb.REASON_ONLY_ONE, False)
    assert running.scorer.batches == []


async def test_cost_weight_turns_the_choice_to_the_cheaper_llm(start: Start) -> None:
    response = await (await start()).stub.Route(pb.RouteRequest(query="q", cost_weight=0.1))
    assert response.llm == "alpha"
    assert response.candidates[0].adjusted_score == pytest.approx(0.4)


async def test_cost_weight_without_prices_is_refused_before_anything_is_scored(start: Start) -> None:
    llms = {name: {"endpoints": [{"address": "http://x", "model": "m"}]} for name in BUNDLE.llms}
    running = await start(file=endpoints_file(llms=llms))
    error = await refused(running.stub.Route(pb.RouteRequest(query="q", cost_weight=0.1)))
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert running.scorer.batches == []


async def test_a_wrong_field_is_named_in_the_status_details(start: Start) -> None:
    error = await refused((await start()).stub.Route(pb.RouteRequest(query="  ")))
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None
    detail = error_details_pb2.BadRequest()
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert status.details[0].Unpack(detail)
    assert detail.field_violations[0].field == "query"


async def test_a_refusal_reaches_the_caller_however_long_the_wrong_field_was(start: Start) -> None:
    error = await refused((await start()).stub.Route(pb.RouteRequest(query="q", allowed_llms=["x" * 100_000])))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_query_that_the_scorer_refuses_is_the_callers_mistake(start: Start) -> None:
    scorer = FakeScorer(faults={"q": InvalidRequestError("query", "refused")})
    running = await start(scorer)
    error = await refused(running.stub.Route(pb.RouteRequest(query="q")))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert running.metric("routerdc_errors_total", code="INVALID_ARGUMENT") == 1


async def test_a_defect_is_internal_and_its_text_is_not_told(start: Start) -> None:
    error = await refused(
        (await start(FakeScorer(faults={"q": KeyError("secret")}))).stub.Route(pb.RouteRequest(query="q"))
    )
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (error.details() or "")


async def test_without_scores_the_default_answers_marked_and_counted(start: Start) -> None:
    running = await start(FakeScorer(faults={"q": ScorerUnavailableError("10.0.0.9 is down")}))
    response = await running.stub.Route(pb.RouteRequest(query="q", max_candidates=5))
    assert (response.llm, response.reason, response.bundle_id) == ("alpha", pb.REASON_FALLBACK, "")
    assert [c.llm for c in response.candidates] == ["alpha", "gamma", "beta"]
    assert response.reason_detail == "the scorer cannot be reached"
    assert running.metric("routerdc_fallbacks_total", cause="unavailable") == 1
    assert running.metric("routerdc_requests_total", llm="alpha", reason="fallback") == 1


async def test_the_fallback_is_an_allowed_llm_too(start: Start) -> None:
    running = await start(FakeScorer(faults={"q": ScorerUnavailableError("down")}))
    response = await running.stub.Route(pb.RouteRequest(query="q", allowed_llms=["beta", "gamma"]))
    assert response.llm == "gamma"


async def test_a_bundle_with_other_llms_is_never_read_by_position(start: Start) -> None:
    running = await start(FakeScorer(bundle=Bundle("other", ("alpha", "beta", "delta"))))
    response = await running.stub.Route(pb.RouteRequest(query="q"))
    assert (response.llm, response.reason) == ("alpha", pb.REASON_FALLBACK)
    assert running.metric("routerdc_fallbacks_total", cause="bundle_mismatch") == 1


async def test_columns_are_read_by_the_names_of_the_bundle_that_answered(start: Start) -> None:
    running = await start(FakeScorer(bundle=Bundle("reordered", ("gamma", "alpha", "beta"))))
    response = await running.stub.Route(pb.RouteRequest(query="q"))
    assert (response.llm, response.bundle_id) == ("alpha", "reordered")


async def test_a_slow_scorer_is_not_waited_for_longer_than_configured(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"q": 30}), deadline_ms=50)
    response = await running.stub.Route(pb.RouteRequest(query="q"), timeout=20)
    assert response.reason == pb.REASON_FALLBACK
    assert running.metric("routerdc_fallbacks_total", cause="timeout") == 1
    assert running.scorer.cancelled == ["q"]


async def test_a_caller_with_less_time_gets_the_fallback_within_its_own_deadline(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"q": 30}), deadline_ms=30_000, deadline_reserve_ms=200)
    response = await running.stub.Route(pb.RouteRequest(query="q"), timeout=0.5)
    assert response.reason == pb.REASON_FALLBACK


async def test_a_cancelled_call_cancels_the_scoring_behind_coalescer_and_cache(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"q": 30}), wrap=behind_cache)
    call = running.stub.Route(pb.RouteRequest(query="q"))
    await until(lambda: running.scorer.batches == [["q"]])
    call.cancel()
    await until(lambda: running.scorer.cancelled == ["q"])
    await until(lambda: running.budget.held == 0)


async def test_the_second_call_is_marked_as_cached(start: Start) -> None:
    running = await start(wrap=behind_cache)
    reasons = [(await running.stub.Route(pb.RouteRequest(query="q"))).reason for _ in range(2)]
    assert reasons == [pb.REASON_ROUTED, pb.REASON_CACHED]


async def test_over_the_limit_calls_are_refused_at_once_with_retry_info(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"q": 0.3}), max_in_flight=2)
    admitted = [asyncio.ensure_future(running.stub.Route(pb.RouteRequest(query="q"))) for _ in range(2)]
    await until(lambda: running.budget.held == 2)
    error = await refused(running.stub.Route(pb.RouteRequest(query="q")))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not any(call.done() for call in admitted)
    assert ("grpc-retry-pushback-ms", "50") in tuple(error.trailing_metadata())
    assert all(r.llm == "beta" for r in await asyncio.gather(*admitted))
    assert (await running.stub.Route(pb.RouteRequest(query="q"))).llm == "beta"


async def test_a_batch_answers_row_by_row_and_bad_rows_fail_alone(start: Start) -> None:
    scorer = FakeScorer(
        values={"to alpha": (9, 0, 0), "to gamma": (0, 0, 9)}, faults={"refused": InvalidRequestError("query", "no")}
    )
    running = await start(
        scorer,
        wrap=lambda s: Coalescer(BisectingScorer(s), max_batch=lambda: 64, scorers=lambda: 1, window=4, row_seconds=1),
    )
    texts = ["to alpha", "", "to gamma", "refused", "to beta"]
    requests = [pb.RouteRequest(query=text, request_id=f"r{i}") for i, text in enumerate(texts)]
    results = (await running.stub.RouteBatch(pb.RouteBatchRequest(requests=requests))).results
    assert [r.request_id for r in results] == ["r0", "r1", "r2", "r3", "r4"]
    assert [r.response.llm for r in results] == ["alpha", "", "gamma", "", "beta"]
    assert [r.error.code for r in results] == [0, code_pb2.INVALID_ARGUMENT, 0, code_pb2.INVALID_ARGUMENT, 0]
    assert scorer.batches[0] == ["to alpha", "to gamma", "refused", "to beta"]


async def test_a_batch_has_a_deadline_of_its_own(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"q": 0.2}), deadline_ms=10)
    results = (await running.stub.RouteBatch(pb.RouteBatchRequest(requests=[pb.RouteRequest(query="q")]))).results
    assert results[0].response.reason == pb.REASON_ROUTED


async def test_an_empty_batch_has_no_results(start: Start) -> None:
    assert not (await (await start()).stub.RouteBatch(pb.RouteBatchRequest())).results


async def test_too_large_a_batch_is_refused_as_a_whole(start: Start) -> None:
    requests = [pb.RouteRequest(query="q")] * 9
    error = await refused((await start()).stub.RouteBatch(pb.RouteBatchRequest(requests=requests)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "split the batch" in (error.details() or "")


async def test_a_batch_that_does_not_fit_takes_no_slot(start: Start) -> None:
    running = await start(max_in_flight=2)
    requests = [pb.RouteRequest(query="q")] * 3
    error = await refused(running.stub.RouteBatch(pb.RouteBatchRequest(requests=requests)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert running.budget.held == 0


async def test_large_batches_leave_room_for_single_queries(start: Start) -> None:
    texts = [f"row {i}" for i in range(16)]
    running = await start(FakeScorer(delays_seconds=dict.fromkeys(texts, 0.3)), max_in_flight=16)
    rows = [pb.RouteRequest(query=text) for text in texts]
    first = asyncio.ensure_future(running.stub.RouteBatch(pb.RouteBatchRequest(requests=rows[:8])))
    await until(lambda: running.budget.held == 8)
    error = await refused(running.stub.RouteBatch(pb.RouteBatchRequest(requests=rows[8:])))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "rows of batches are in flight" in (error.details() or "")
    singles = await asyncio.gather(*(running.stub.Route(pb.RouteRequest(query="single")) for _ in range(8)))
    assert {single.reason for single in singles} == {pb.REASON_ROUTED}
    assert len((await first).results) == 8


async def test_the_pool_is_listed_with_endpoints_prices_and_default(start: Start) -> None:
    response = await (await start()).stub.ListLlms(pb.ListLlmsRequest())
    assert [(llm.name, llm.price, llm.healthy) for llm in response.llms] == [
        ("alpha", 1, True),
        ("beta", 10, True),
        ("gamma", 2, True),
    ]
    assert response.llms[0].endpoints[0].address == "http://alpha.test/v1"
    assert (response.bundle_id, response.default_llm) == (BUNDLE.bundle_id, "alpha")


async def test_a_stream_answers_each_request_when_it_is_ready(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"slow": 0.2}))
    requests = [pb.RouteRequest(query="slow", request_id="1"), pb.RouteRequest(query="fast", request_id="2")]
    results = [result.request_id async for result in running.stub.RouteStream(iter(requests))]
    assert results == ["2", "1"]


async def test_a_bad_request_in_a_stream_fails_alone(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"slow": 0.1}))
    requests = [
        pb.RouteRequest(query="q"),
        pb.RouteRequest(query="slow", request_id="twice"),
        pb.RouteRequest(query="q", request_id="twice"),
        pb.RouteRequest(query="", request_id="blank"),
        pb.RouteRequest(query="q", request_id="good"),
    ]
    results = [result async for result in running.stub.RouteStream(iter(requests))]
    answers = [(r.request_id, r.error.code or r.response.llm) for r in results]
    invalid = code_pb2.INVALID_ARGUMENT
    assert sorted(answers, key=str) == sorted(
        [("", invalid), ("twice", invalid), ("blank", invalid), ("good", "beta"), ("twice", "beta")], key=str
    )


async def test_a_request_id_may_be_used_again_after_its_answer(start: Start) -> None:
    call = (await start()).stub.RouteStream()
    for _ in range(3):
        await call.write(pb.RouteRequest(query="q", request_id="same"))
        assert (await read(call)).response.llm == "beta"
    await call.done_writing()
    assert await call.read() is aio.EOF


async def test_a_stream_has_a_bounded_number_in_flight(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={str(i): 0.1 for i in range(12)}))
    requests = [pb.RouteRequest(query=str(i), request_id=str(i)) for i in range(12)]
    most = 0
    async for _ in running.stub.RouteStream(iter(requests)):
        most = max(most, running.budget.held)
    assert len(running.scorer.batches) == 12
    assert 0 < most <= 4


async def test_overload_in_a_stream_is_a_result_not_the_end_of_the_stream(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"slow": 0.2}), max_in_flight=1)
    requests = [pb.RouteRequest(query="slow", request_id="1"), pb.RouteRequest(query="q", request_id="2")]
    results = {r.request_id: r async for r in running.stub.RouteStream(iter(requests))}
    assert results["2"].error.code == code_pb2.RESOURCE_EXHAUSTED
    assert results["1"].response.llm == "beta"


async def test_a_caller_that_hangs_up_in_mid_stream_frees_its_slots(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"slow": 30}))
    call = running.stub.RouteStream()
    await call.write(pb.RouteRequest(query="slow", request_id="1"))
    await until(lambda: running.budget.held == 1)
    call.cancel()
    await until(lambda: running.budget.held == 0)
    assert running.scorer.cancelled == ["slow"]


async def test_draining_answers_what_a_stream_has_read_and_ends_it(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"slow": 0.2}))
    call = running.stub.RouteStream()
    await call.write(pb.RouteRequest(query="slow", request_id="1"))
    await until(lambda: running.budget.held == 1)
    running.servicer.drain()
    assert (await read(call)).response.llm == "beta"
    error = await refused(call.read())
    assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_stopping_server_answers_calls_in_flight(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"slow": 0.2}))
    call = running.stub.Route(pb.RouteRequest(query="slow"))
    await until(lambda: running.budget.held == 1)
    await running.server.stop(5)
    assert (await call).llm == "beta"


async def test_several_turns_of_one_llm_use_its_endpoints_in_turn(start: Start) -> None:
    two = [{"address": f"http://beta{i}", "model": "m"} for i in (1, 2)]
    one = [{"address": "http://x", "model": "m"}]
    llms = {name: {"endpoints": two if name == "beta" else one} for name in BUNDLE.llms}
    running = await start(file=endpoints_file(llms=llms))
    addresses = [(await running.stub.Route(pb.RouteRequest(query="q"))).endpoint.address for _ in range(3)]
    assert addresses == ["http://beta1", "http://beta2", "http://beta1"]
