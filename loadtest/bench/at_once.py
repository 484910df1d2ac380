"""Two gateways at the same time on one core: for differences of a hundredth or two, as both see the same machine.

CPU time is counted for each alone. Whichever is started first needs some 3 % more of it than an equal one after it, so
both are started in both orders for each round.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack

from loadtest.closed_loop.closed_loop import Connected, Round, Service
from loadtest.closed_loop.usage import apart, on_cores
from loadtest.servers.servers import Part, Parts

CALLERS = 32
CALLS = 1000
"""Of each gateway, in each round and order."""
CONDITIONS = f"both at once on one core, {CALLERS // 2} callers each, started anew in both orders for each round"

Start = Callable[[Part], AbstractContextManager[Part]]
"""Runs a gateway before a Triton."""
Asked = Callable[[Part], Service]
"""What a gateway is asked."""
Pair = tuple[Round, Round]


def pairs(
    parts: Parts, ours: Start, reference: Start, asked: Sequence[Asked], rounds: int, calls: int
) -> list[list[Pair]]:
    """`rounds` pairs (ours, reference) for each of `asked`, which are asked one after the other."""
    found: list[list[Pair]] = [[] for _ in asked]
    for _ in range(rounds):
        there = _once(parts, (ours, reference), asked, calls)
        back = _once(parts, (reference, ours), asked, calls)
        for pair, (a, b), (b_again, a_again) in zip(found, there, back, strict=True):
            pair.append((a + a_again, b + b_again))
    return found


def _once(parts: Parts, starts: tuple[Start, Start], asked: Sequence[Asked], calls: int) -> list[Pair]:
    with parts.instant_triton() as triton, ExitStack() as running:
        with on_cores(apart()[0]):
            first, second = (running.enter_context(start(triton)) for start in starts)
        return [asyncio.run(_side_by_side((one(first), one(second)), calls)) for one in asked]


async def _side_by_side(services: tuple[Service, Service], calls: int) -> Pair:
    async with AsyncExitStack() as connections:
        first, second = [await connections.enter_async_context(service.connect()) for service in services]
        await _both(first, second, calls)  # warms up
        return await _both(first, second, calls)


async def _both(first: Connected, second: Connected, calls: int) -> Pair:
    return await asyncio.gather(first.closed_loop(calls, CALLERS // 2), second.closed_loop(calls, CALLERS // 2))
