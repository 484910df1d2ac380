"""Bodies of eight megabytes with as many values as fit: others wait no longer than beside one long text."""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from deploy.local.processes.process import ChildProcess
from tests.chaos.conftest import StartGateway, endpoints_yaml
from tests.chaos.ledger import FULL, Ledger
from tests.chaos.load import Call, Load, channel, percentile_ms, routing
from tests.support.fakes.scorer import BUNDLE
from tests.support.fakes.triton import fake_triton
from tests.support.gateways.process import GatewayProcess

Seconds = Callable[[float, float], float]

DEADLINE_MS = 2000.0 if FULL else 10_000.0
STEADY = 50.0
TEXT = '"' + "x" * 1000 + '"'
DENSE = ("[]", '{"":0}', "1.1")
SLOWER_AT_MOST = 2.0
ROUNDS = 3 if FULL else 1
"""Texts and dense bodies in turns, of which the median counts: whatever else the machine does hits both."""


async def _beside(gateway: GatewayProcess, unit: str, log: Path, seconds: float) -> list[Call]:
    """What single queries met while one client sent such bodies."""
    command = [sys.executable, "-m", "tests.chaos.callers.large_bodies", gateway.ext_proc_address, unit]
    connection = channel(gateway.address)
    with ChildProcess("large bodies", command, log=log) as sender:
        async with connection, Load(routing(connection, DEADLINE_MS), STEADY) as load:
            await asyncio.sleep(seconds)
        assert sender.running, sender.log_tail()
    return load.calls


async def test_dense_bodies_hold_up_nobody_longer_than_long_texts(
    tmp_path: Path, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    file = tmp_path / "three.yaml"
    file.write_text(endpoints_yaml(BUNDLE.llms), encoding="utf-8")
    async with fake_triton() as triton:
        start = partial(
            start_gateway, triton.address, endpoints_file=file, ext_proc_port=0, deadline_ms=DEADLINE_MS / 2
        )
        gateway = await asyncio.to_thread(start)
        rounds: list[dict[str, list[Call]]] = []
        for _ in range(ROUNDS):
            log = tmp_path / "sender.log"
            rounds.append({unit: await _beside(gateway, unit, log, seconds(2, 8)) for unit in (TEXT, *DENSE)})
        for unit in DENSE:
            calls = [call for by_unit in rounds for call in by_unit[unit]]
            fault = f"one client sends 8 MiB of `{unit}` without pause"
            ledger.never(fault, "every query is decided", calls, lambda call: not call.decided)
            slower = median(
                percentile_ms(by_unit[unit], 0.99) / percentile_ms(by_unit[TEXT], 0.99) for by_unit in rounds
            )
            ledger.at_most(
                fault, "p99 over that beside 8 MiB of text", slower, SLOWER_AT_MOST, "times", calls=len(calls)
            )
