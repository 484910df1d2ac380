import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import grpc
import pytest

from gateway import errors
from gateway.domain.scorer import Bundle
from gateway.scoring.triton.balancer import TritonBalancer, TritonState
from gateway.scoring.triton.discovery import Discovery
from gateway.scoring.triton.scorer import TritonScorer
from tests.support.fakes.scorer import BUNDLE
from tests.support.fakes.triton import FakeTriton, fake_triton
from tests.support.waiting import until

OTHER = Bundle("feedfeedfeedfeed", ("alpha", "delta"))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def balancing(
    addresses: Sequence[str], clock: Callable[[], float] | None = None, on_retry: Callable[[], None] = lambda: None
) -> AsyncIterator[TritonBalancer]:
    async with TritonBalancer(
        Discovery(",".join(addresses)).addresses,
        partial(TritonScorer, timeout_seconds=5),
        patience_seconds=0.5,
        on_retry=on_retry,
        clock=clock or Clock(),
    ) as balancer:
        await balancer.probe()
        yield balancer


@asynccontextmanager
async def balanced(
    n: int, clock: Callable[[], float] | None = None, on_retry: Callable[[], None] = lambda: None
) -> AsyncIterator[tuple[TritonBalancer, list[FakeTriton]]]:
    async with AsyncExitStack() as stack:
        tritons = [await stack.enter_async_context(fake_triton()) for _ in range(n)]
        addresses = [triton.address for triton in tritons]
        yield await stack.enter_async_context(balancing(addresses, clock, on_retry)), tritons


async def test_batches_go_to_the_triton_with_fewer_in_flight() -> None:
    async with balanced(2) as (balancer, tritons):
        for triton in tritons:
            triton.delay_seconds = 0.2
        await asyncio.gather(*(balancer.score_batch(["q"]) for _ in range(8)))
    assert [len(triton.requests) for triton in tritons] == [4, 4]


async def test_a_large_batch_counts_by_its_queries() -> None:
    async with balanced(2) as (balancer, tritons):
        for triton in tritons:
            triton.delay_seconds = 0.2
        await asyncio.gather(*(balancer.score_batch(["q"] * size) for size in (4, 1, 1, 1)))
    assert sorted(len(triton.requests) for triton in tritons) == [1, 3]


async def test_a_failed_batch_is_answered_by_another_triton() -> None:
    retries: list[None] = []
    async with balanced(2, on_retry=lambda: retries.append(None)) as (balancer, tritons):
        tritons[0].fault = grpc.StatusCode.INTERNAL
        answers = [await balancer.score_batch(["q"]) for _ in range(30)]
    assert all(scores[0].bundle == BUNDLE for scores in answers)
    assert len(retries) == len(tritons[0].requests) == 3  # then it is ejected


async def test_a_batch_whose_connection_ended_is_sent_again_where_there_is_but_one_triton() -> None:
    retries: list[None] = []
    async with AsyncExitStack() as until_stopped, AsyncExitStack() as stack:
        stopped = await until_stopped.enter_async_context(fake_triton(delay_seconds=60))
        balancer = await stack.enter_async_context(balancing([stopped.address], on_retry=lambda: retries.append(None)))
        batch = asyncio.create_task(balancer.score_batch(["q"]))
        await until(lambda: stopped.requests)
        started = await stack.enter_async_context(fake_triton(address=stopped.address))
        await until_stopped.aclose()
        assert (await batch)[0].bundle == BUNDLE
    assert len(retries) == len(started.requests) == 1


async def test_an_ejected_triton_comes_back_and_one_more_failure_ejects_it_for_longer() -> None:
    clock = Clock()
    async with balanced(2, clock) as (balancer, tritons):
        tritons[0].fault = grpc.StatusCode.INTERNAL
        for seconds in (1.0, 2.0, 4.0):
            while balancer.count(TritonState.EJECTED) == 0:
                await balancer.score_batch(["q"])
            clock.now += seconds - 0.01
            assert balancer.count(TritonState.EJECTED) == 1
            clock.now += 0.02
            assert balancer.count(TritonState.IN_ROTATION) == 2
        assert len(tritons[0].requests) == 3 + 1 + 1


async def test_the_error_is_passed_on_where_both_fail_and_a_single_triton_is_never_ejected() -> None:
    for n in (1, 2):
        async with balanced(n) as (balancer, tritons):
            for triton in tritons:
                triton.fault = grpc.StatusCode.INTERNAL
            for _ in range(10):
                with pytest.raises(errors.ScorerFailedError):
                    await balancer.score_batch(["q"])
            assert balancer.count(TritonState.EJECTED) == (0 if n == 1 else 2)
            for triton in tritons:
                triton.fault = None
            assert (await balancer.score_batch(["q"]))[0].bundle == BUNDLE


async def test_a_refused_query_and_an_overloaded_triton_are_no_reason_to_eject() -> None:
    async with balanced(2) as (balancer, tritons):
        for code, kind in (
            (grpc.StatusCode.INVALID_ARGUMENT, errors.InvalidRequestError),
            (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.ScorerOverloadedError),
        ):
            for triton in tritons:
                triton.fault = code
            for _ in range(10):
                with pytest.raises(kind):
                    await balancer.score_batch(["q"])
        assert balancer.count(TritonState.IN_ROTATION) == 2


async def test_a_triton_that_lets_batches_hang_until_nobody_waits_is_ejected() -> None:
    clock = Clock()
    async with balanced(2, clock) as (balancer, tritons):
        tritons[0].delay_seconds = 30
        while balancer.count(TritonState.EJECTED) == 0:
            call = asyncio.create_task(balancer.score_batch(["q"]))
            await asyncio.wait([call], timeout=0.2)
            clock.now += 0.6
            call.cancel()
            await asyncio.wait([call])
        assert (len(tritons[0].requests), balancer.count(TritonState.IN_ROTATION)) == (3, 1)


async def test_a_triton_that_is_not_ready_or_serves_other_names_gets_nothing() -> None:
    def check(bundle: Bundle) -> None:
        if bundle != BUNDLE:
            raise errors.BundleMismatchError("other names")

    async with balanced(3) as (balancer, tritons):
        tritons[0].ready, tritons[1].configured = False, OTHER
        assert await balancer.probe(check) == balancer.bundle == BUNDLE
        for _ in range(9):
            await balancer.score_batch(["q"])
        assert [len(triton.requests) for triton in tritons] == [0, 0, 9]
        assert balancer.count(TritonState.NOT_READY) == 2
        tritons[0].ready = True
        await balancer.probe(check)
        assert balancer.count(TritonState.NOT_READY) == 1


async def test_without_a_triton_that_is_ready_the_first_ones_problem_is_told() -> None:
    async with balanced(2) as (balancer, tritons):
        for triton in tritons:
            triton.ready = False
        with pytest.raises(errors.ScorerUnavailableError, match=tritons[0].address):
            await balancer.probe()


async def test_tritons_that_come_and_go_are_followed_and_what_is_in_flight_is_answered() -> None:
    async with fake_triton() as old, fake_triton() as new:
        there = [old.address]

        async def discover() -> list[str]:
            return there

        async with TritonBalancer(discover, partial(TritonScorer, timeout_seconds=5), patience_seconds=9) as balancer:
            with pytest.raises(errors.ScorerUnavailableError, match="no Triton has been found"):
                await balancer.score_batch(["q"])
            await balancer.probe()
            old.delay_seconds = 0.2
            in_flight = asyncio.create_task(balancer.score_batch(["q"]))
            await until(lambda: bool(old.requests))
            there = [new.address]
            await balancer.probe()
            for _ in range(5):
                await balancer.score_batch(["q"])
            assert (await in_flight)[0].bundle == BUNDLE
            assert (len(balancer), len(old.requests), len(new.requests)) == (1, 1, 5)


async def test_a_triton_that_came_gets_nothing_before_it_is_ready() -> None:
    async with fake_triton() as old, fake_triton(ready=False) as new:
        there = [old.address]

        async def discover() -> list[str]:
            return there

        async with TritonBalancer(discover, partial(TritonScorer, timeout_seconds=5), patience_seconds=9) as balancer:
            await balancer.probe()
            there = [new.address, old.address]
            for ready, answered in ((False, 0), (True, 5)):
                new.ready = ready
                old.delay_seconds = 0.05 if ready else 0
                await balancer.probe()
                await asyncio.gather(*(balancer.score_batch(["q"]) for _ in range(10)))
                assert len(new.requests) == answered
