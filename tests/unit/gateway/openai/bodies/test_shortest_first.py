"""The order in which large bodies are read."""

import asyncio

import pytest

from gateway.openai.bodies.shortest_first import ShortestFirst


async def test_the_shortest_that_waits_is_next_and_the_cancelled_have_no_turn() -> None:
    turns, order, release = ShortestFirst(), list[str](), asyncio.Event()

    async def job(name: str, length: int) -> None:
        async with turns.turn(length):
            order.append(name)
            await release.wait()

    jobs = [("first", 9), ("long", 5), ("short", 1), ("cancelled", 0), ("as short", 1)]
    tasks = {name: asyncio.create_task(job(name, length)) for name, length in jobs}
    await asyncio.sleep(0)
    tasks["cancelled"].cancel()
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert order == ["first", "short", "as short", "long"]


async def test_a_turn_that_comes_to_a_job_as_it_is_cancelled_goes_on() -> None:
    turns = ShortestFirst()
    async with turns.turn(1):
        waiting = asyncio.create_task(_turn(turns))
        behind = asyncio.create_task(_turn(turns))
        await asyncio.sleep(0)
    waiting.cancel()  # its turn has come, and it has not run since
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(behind, 1)
    await asyncio.wait_for(_turn(turns), 1)


async def _turn(turns: ShortestFirst) -> None:
    async with turns.turn(1):
        pass
