import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import grpc
import pytest

from gateway.errors import InvalidRequestError
from routerdc_client import AsyncRouterClient, RouteError, RouterClient, aio, route_request
from routerdc_contract.v1 import router_pb2 as pb
from tests.support.fakes.scorer import FakeScorer
from tests.support.gateways.running import Running
from tests.support.waiting import until

Start = Callable[..., Awaitable[Running]]


async def test_sync_client_routes_batches_and_lists(start: Start) -> None:
    running = await start()

    def use() -> tuple[str, list[str], str]:
        with RouterClient(running.address) as router:
            one = router.route("q", allowed_llms=["alpha", "gamma"], max_candidates=2, request_id="mine")
            many = router.route_batch([route_request("a"), route_request("b", cost_weight=0.1)])
            return one.llm, [r.response.llm for r in many], router.list_llms().default_llm

    assert await asyncio.to_thread(use) == ("alpha", ["beta", "alpha"], "alpha")


async def test_async_client_routes_batches_streams_and_lists(start: Start) -> None:
    async def requests() -> AsyncIterator[pb.RouteRequest]:
        for i in range(3):
            yield route_request("q", request_id=str(i))

    async with AsyncRouterClient((await start()).address) as router:
        assert (await router.route("q")).llm == "beta"
        assert [r.response.llm for r in await router.route_batch([route_request("a")])] == ["beta"]
        assert sorted([r.request_id async for r in router.route_stream(requests())]) == ["0", "1", "2"]
        assert (await router.list_llms()).default_llm == "alpha"


async def test_any_number_of_calls_at_once_is_answered_or_waits_until_its_deadline(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio, "MAX_IN_FLIGHT", 2)
    slow = {f"query {number}": 0.4 for number in range(2)}
    async with AsyncRouterClient((await start(FakeScorer(delays_seconds=slow))).address) as router:
        first = [asyncio.create_task(router.route(query, deadline_ms=20_000)) for query in slow]
        await asyncio.sleep(0)
        with pytest.raises(RouteError, match="2 calls of this client were in flight") as error:
            await router.route("one too many", deadline_ms=50)
        assert error.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert not any(call.done() for call in first)
        waiting = router.route("one that waits", deadline_ms=20_000)
        assert {answer.llm for answer in await asyncio.gather(*first, waiting)} == {"beta"}


async def test_every_gateway_behind_a_name_is_asked_in_turn(start: Start) -> None:
    running = [await start() for _ in range(2)]
    async with AsyncRouterClient("ipv4:" + ",".join(one.address for one in running)) as router:
        await until(lambda: _asked(router, running))
        before = [len(one.scorer.batches) for one in running]
        for number in range(10):
            await router.route(f"query {number}")
    assert [len(one.scorer.batches) - n for one, n in zip(running, before, strict=True)] == [5, 5]


async def _asked(router: AsyncRouterClient, running: list[Running]) -> bool:
    """Both connections stand."""
    await router.route("hello")
    return all(one.scorer.batches for one in running)


async def test_a_wrong_field_is_named_and_not_tried_again(start: Start) -> None:
    running = await start(FakeScorer(faults={"q": InvalidRequestError("query", "refused")}))
    async with AsyncRouterClient(running.address) as router:
        with pytest.raises(RouteError, match="refused") as error:
            await router.route("q")
    assert (error.value.code, error.value.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("query",))
    assert len(running.scorer.batches) == 1


async def test_a_refusal_for_overload_is_tried_again_after_the_time_that_the_gateway_named(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"slow": 0.08}), max_in_flight=1)
    async with AsyncRouterClient(running.address) as router:
        slow = asyncio.create_task(router.route("slow"))
        await until(lambda: running.budget.held)
        assert (await router.route("q")).llm == "beta"
        assert (await slow).llm == "beta"
    assert running.metric("routerdc_errors_total", code="RESOURCE_EXHAUSTED") >= 1


async def test_overload_that_does_not_end_is_reported(start: Start) -> None:
    running = await start(FakeScorer(delays_seconds={"slow": 30}), max_in_flight=1)
    async with AsyncRouterClient(running.address) as router:
        slow = asyncio.create_task(router.route("slow", deadline_ms=20_000))
        await until(lambda: running.budget.held)
        with pytest.raises(RouteError) as error:
            await router.route("q", deadline_ms=10_000)
        slow.cancel()
    assert error.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert running.metric("routerdc_errors_total", code="RESOURCE_EXHAUSTED") == 4


async def test_nobody_there_is_unavailable() -> None:
    async with AsyncRouterClient("127.0.0.1:1") as router:
        with pytest.raises(RouteError) as error:
            await router.route("q", deadline_ms=500)
    assert error.value.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
