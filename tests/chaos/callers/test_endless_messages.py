"""Callers without an API key who send messages that never end: what they cost, and what others wait meanwhile."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from deploy.local.processes.process import ChildProcess
from tests.chaos.conftest import StartGateway, endpoints_yaml
from tests.chaos.ledger import FULL, Ledger
from tests.chaos.load import Call, Load, channel, percentile_ms, routing
from tests.support.fakes.scorer import BUNDLE
from tests.support.fakes.triton import fake_triton
from tests.support.waiting import until

Seconds = Callable[[float, float], float]

DEADLINE_MS = 2000.0 if FULL else 10_000.0
STEADY = 50.0
CALLERS = 4
ROUNDS = 3 if FULL else 1
WITHOUT_KEY_MIB = 64
FAULT = f"{CALLERS} callers without a key send messages of 200 MiB without a pause"


async def test_endless_messages_cost_little_and_hold_up_nobody(
    tmp_path: Path, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    """The callers work on this machine, too: so others are compared with others while those call a neighbour."""
    file = tmp_path / "three.yaml"
    file.write_text(endpoints_yaml(BUNDLE.llms), encoding="utf-8")
    alone, next_door, here = list[Call](), list[Call](), list[Call]()
    async with fake_triton() as triton:
        start = partial(start_gateway, triton.address, endpoints_file=file, deadline_ms=DEADLINE_MS / 2)
        neighbour, gateway = await asyncio.to_thread(start), await asyncio.to_thread(start)
        before = gateway.memory_mib()
        async with channel(gateway.address) as connection:
            for _ in range(ROUNDS):  # one after the other, so that a busy machine is busy for all
                for calls, callee in ((alone, ""), (next_door, neighbour.address), (here, gateway.address)):
                    async with senders(callee, tmp_path), Load(routing(connection, DEADLINE_MS), STEADY) as load:
                        await asyncio.sleep(seconds(1, 10))
                    calls += load.calls
        peak = gateway.peak_mib() - before
    ledger.at_most(FAULT, "memory grows by", peak, WITHOUT_KEY_MIB, "MiB", calls=CALLERS, timed=False)
    ledger.never(FAULT, "every query of others is decided", here, lambda call: not call.decided)
    waits = [percentile_ms(calls, 0.99) for calls in (alone, next_door, here)]
    print("p99 of others alone, while a neighbour is called, while theirs is: {:.1f}, {:.1f}, {:.1f} ms".format(*waits))
    invariant = "p99 of others over that while a neighbour on this machine is called"
    ledger.at_most(FAULT, invariant, waits[2] / waits[1], 2, "times", calls=len(here))


@asynccontextmanager
async def senders(address: str, folder: Path) -> AsyncIterator[None]:
    """All of them, once they have begun; none where there is no address."""
    with ExitStack() as stack:
        begun = [folder / f"{address}-{i}" for i in range(CALLERS if address else 0)]
        for file in begun:
            file.unlink(missing_ok=True)
            command = [sys.executable, "-m", "tests.chaos.callers.endless_messages", address, str(file)]
            stack.enter_context(ChildProcess("sender", command, log=folder / "senders.log"))
        await until(lambda: all(file.is_file() for file in begun), 60)
        yield
