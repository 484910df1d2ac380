"""A real gateway process before a scripted Triton, which takes no part in what callers do to the gateway."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes.triton import fake_triton
from tests.support.gateways.process import GatewayProcess
from tests.support.gateways.running import write

StartGateway = Callable[..., Awaitable[GatewayProcess]]


@pytest.fixture
async def start_gateway(tmp_path: Path) -> AsyncIterator[StartGateway]:
    """`await start_gateway(any setting)`."""
    write(tmp_path / "endpoints.yaml")
    async with AsyncExitStack() as stack:
        triton = await stack.enter_async_context(fake_triton())

        async def start(**settings: Any) -> GatewayProcess:
            fixed: dict[str, Any] = {"endpoints_file": tmp_path / "endpoints.yaml", "triton_address": triton.address}
            process = GatewayProcess(tmp_path / "gateway", **(fixed | settings))
            await asyncio.to_thread(process.start)
            stack.push_async_callback(asyncio.to_thread, process.process.stop)
            return process

        yield start
