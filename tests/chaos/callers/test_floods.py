"""Floods of headers and of settings at Envoy's port, which cost grpc's own port seconds: here they end at once."""

import asyncio
import sys
from pathlib import Path

import pytest

from deploy.local.processes.process import ChildProcess
from tests.chaos.conftest import full_only
from tests.chaos.ledger import Ledger
from tests.chaos.load import Call, Load, percentile_ms
from tests.chaos.parts.test_endpoints import all_answered, asking
from tests.e2e.envoy.slow_senders import memory_mib
from tests.e2e.envoy_fixtures import data_plane
from tests.support.waiting import until

STEADY, ROUNDS, GROWTH_MIB = 50.0, 3, 32


@full_only
@pytest.mark.parametrize("kind", ["headers", "settings"])
async def test_a_flood_at_envoys_port_ends_at_once(tmp_path: Path, ledger: Ledger, kind: str) -> None:
    """The flooding program works on this machine, too: so others are compared with others while a neighbour has it."""
    next_door, here = list[Call](), list[Call]()
    for name in ("neighbour", "plane"):
        (tmp_path / name).mkdir()
    async with data_plane(tmp_path / "neighbour") as neighbour, data_plane(tmp_path / "plane") as plane:
        before = await memory_mib(plane)
        for _ in range(ROUNDS):
            for calls, flooded in ((next_door, neighbour), (here, plane)):
                begun = tmp_path / "begun"
                begun.unlink(missing_ok=True)
                command = [sys.executable, "-m", "tests.support.floods", kind, flooded.envoy.address, str(begun)]
                with ChildProcess("flood", command, log=tmp_path / "flood.log") as flood:
                    await until(begun.is_file, 60)
                    async with Load(asking(plane), STEADY) as load:
                        await asyncio.sleep(10)
                    assert flood.running, flood.log_tail()
                calls += load.calls
        growth = await memory_mib(plane) - before
        stats = await plane.client._client.get(f"http://{plane.envoy.admin_address}/stats?filter=downstream_cx_http2")
    fault = f"a caller floods Envoy's port with {kind}"
    connections = int(stats.text.split("http.openai.downstream_cx_http2_total: ")[1].split()[0])
    ledger.at_most(fault, "memory grows by", growth, GROWTH_MIB, "MiB", timed=False)
    all_answered(ledger, fault, here)
    slower = percentile_ms(here, 0.99) / percentile_ms(next_door, 0.99)
    ledger.at_most(
        fault, "p99 of others over that while a neighbour on this machine has it", slower, 2, "times", calls=len(here)
    )
    assert connections > ROUNDS, "each one is ended, and the next one, too"
