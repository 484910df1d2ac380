import asyncio

from gateway.domain.scorer import Neighbours
from gateway.scoring.nearest import MAX_IN_FLIGHT, Nearest
from tests.support.waiting import until

FOUND = Neighbours("id", ())


class Slow:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = self.answered = 0

    async def __call__(self, query: str) -> Neighbours:
        self.asked += 1
        await self.go.wait()
        self.answered += 1
        return FOUND


async def test_beyond_a_few_at_once_nobody_waits() -> None:
    slow = Slow()
    nearest = Nearest(slow)
    asked = [asyncio.create_task(nearest("q")) for _ in range(MAX_IN_FLIGHT)]
    await until(lambda: slow.asked == MAX_IN_FLIGHT)
    assert await nearest("one more") is None
    slow.go.set()
    assert await asyncio.gather(*asked) == [FOUND] * MAX_IN_FLIGHT
    assert await nearest("there is room again") == FOUND


async def test_a_question_whose_caller_leaves_is_not_cancelled() -> None:
    slow = Slow()
    asked = asyncio.create_task(Nearest(slow)("q"))
    await until(lambda: slow.asked)
    asked.cancel()
    await asyncio.wait([asked])
    slow.go.set()
    await until(lambda: slow.answered)
    assert asked.cancelled()
