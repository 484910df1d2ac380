"""Callers without an API key who send messages that never end: what they cost, and what others wait meanwhile."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from deploy.local.processes.process import ChildProcess
from tests.chaos.conftest import StartGateway, endpoints_yaml
from tests.chaos.ledger import FULL, Ledger
from tests.chaos.load import Call, Load, channel, percentile_ms, routing
from tests.support.fakes.scorer import BUNDLE
from tests.support.fakes.triton import fake_triton

Seconds = Callable[[float, float], float]

DEADLINE_MS = 2000.0 if FULL else 10_000.0
STEADY = 50.0
CALLERS = 4
WITHOUT_KEY_MIB = 64


async def test_endless_messages_cost_little_and_hold_up_nobody(
    tmp_path: Path, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    file = tmp_path / "three.yaml"
    file.write_text(endpoints_yaml(BUNDLE.llms), encoding="utf-8")
    alone, beside = list[Call](), list[Call]()
    async with fake_triton() as triton:
        start = partial(start_gateway, triton.address, endpoints_file=file, deadline_ms=DEADLINE_MS / 2)
        gateway = await asyncio.to_thread(start)
        before = gateway.memory_mib()
        async with channel(gateway.address) as connection:
            for _ in range(3):  # one after the other, so that a busy machine is busy for both
                async with Load(routing(connection, DEADLINE_MS), STEADY) as load:
                    await asyncio.sleep(seconds(1, 10))
                alone += load.calls
                command = [sys.executable, "-m", "tests.chaos.callers.endless_messages", gateway.address]
                with ExitStack() as senders:
                    for i in range(CALLERS):
                        senders.enter_context(ChildProcess("sender", command, log=tmp_path / f"sender{i}.log"))
                    async with Load(routing(connection, DEADLINE_MS), STEADY) as load:
                        await asyncio.sleep(seconds(2, 10))
                beside += load.calls
        peak = gateway.peak_mib() - before
    fault = f"{CALLERS} callers without a key send messages of 200 MiB without a pause"
    ledger.at_most(fault, "memory grows by", peak, WITHOUT_KEY_MIB, "MiB", calls=CALLERS, timed=False)
    ledger.never(fault, "every query of others is decided", beside, lambda call: not call.decided)
    slower = percentile_ms(beside, 0.99) / percentile_ms(alone, 0.99)
    ledger.at_most(fault, "p99 of others over that alone", slower, 2, "times", calls=len(beside))
