"""What cost grpc's own port most, at Envoy's: calls whose message does not come, and headers without an end."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from deploy.local.processes.process import ChildProcess
from tests.chaos.conftest import full_only
from tests.chaos.ledger import Ledger
from tests.chaos.load import Call, Load, channel, percentile_ms, routing
from tests.e2e.grpc.plane import grpc_plane
from tests.support.frames import END_HEADERS, HEADERS, Connection, call_headers, frame
from tests.support.waiting import until

Attack = Callable[[str, Path], AbstractAsyncContextManager[None]]

STEADY, ROUNDS, WITHOUT_KEY_MIB = 50.0, 3, 64
CONNECTIONS, CALLS, BEGUN_SECONDS = 8, 1024, 2.0


@asynccontextmanager
async def waiting_calls(address: str, folder: Path) -> AsyncIterator[None]:
    """On eight connections, for as long as it lasts."""
    begin = call_headers(b"/routerdc.v1.Router/Route")
    connections = [await Connection.opened(address) for _ in range(CONNECTIONS)]
    for connection in connections:
        await connection.send(b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, begin) for i in range(CALLS)))
    await asyncio.sleep(BEGUN_SECONDS)
    yield
    for connection in connections:
        connection.close()


@asynccontextmanager
async def headers(address: str, folder: Path) -> AsyncIterator[None]:
    """A gigabit of them a second."""
    begun = folder / "begun"
    begun.unlink(missing_ok=True)
    with ExitStack() as stack:
        command = [sys.executable, "-m", "tests.support.floods", "headers", address, str(begun)]
        flood = stack.enter_context(ChildProcess("flood", command, log=folder / "flood.log"))
        await until(begun.is_file, 60)
        yield
        assert flood.running, flood.log_tail()


ATTACKS: dict[str, Attack] = {
    f"a stranger begins {CONNECTIONS} x {CALLS} gRPC calls without a message": waiting_calls,
    "a stranger floods gRPC through Envoy with headers": headers,
}


@full_only
@pytest.mark.parametrize("fault", ATTACKS)
async def test_strangers_cost_little_and_hold_up_nobody(tmp_path: Path, ledger: Ledger, fault: str) -> None:
    """The attack works on this machine, too: so others are compared with others while a neighbour has it."""
    next_door, here, peak = list[Call](), list[Call](), 0.0
    folders = [tmp_path / name for name in ("neighbour", "plane")]
    for folder in folders:
        folder.mkdir()
    async with grpc_plane(folders[0]) as neighbour, grpc_plane(folders[1]) as plane, channel(plane.address) as mine:
        before, envoy = plane.gateway.memory_mib(), plane.envoys_mib()
        for _ in range(ROUNDS):
            for calls, attacked in ((next_door, neighbour), (here, plane)):
                async with ATTACKS[fault](attacked.address, tmp_path), Load(routing(mine, 10_000), STEADY) as load:
                    for _ in range(10):
                        await asyncio.sleep(1)
                        peak = max(peak, await asyncio.to_thread(plane.envoys_mib))
                calls += load.calls
        grown = plane.gateway.peak_mib() - before + peak - envoy
    ledger.at_most(fault, "gateway and Envoy grow by", grown, WITHOUT_KEY_MIB, "MiB", timed=False)
    ledger.never(fault, "every query of others is decided", here, lambda call: not call.decided)
    slower = percentile_ms(here, 0.99) / percentile_ms(next_door, 0.99)
    invariant = "p99 of others over that while a neighbour on this machine has it"
    ledger.at_most(fault, invariant, slower, 2, "times", calls=len(here))
