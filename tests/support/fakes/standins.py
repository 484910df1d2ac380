"""The stand-in LLMs, served in this process on a port that the system chooses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from labelling.commands.stand_ins import write_endpoints
from labelling.pool.endpoints import PoolFile, read_pool
from labelling.standins.server import StandIns


@dataclass
class Served:
    """Stand-ins that are being served: their state, their address and the pool they make."""

    state: StandIns
    address: str
    pool: PoolFile


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    """Serves the stand-ins for the length of the block; endpoints.yaml is written into `folder`."""
    state = StandIns()
    runner = web.AppRunner(state.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    write_endpoints(folder / "endpoints.yaml", address)
    try:
        yield Served(state, address, read_pool(folder / "endpoints.yaml"))
    finally:
        await runner.cleanup()
