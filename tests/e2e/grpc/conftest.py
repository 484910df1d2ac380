"""`await start_plane(…)`: see plane.py."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.grpc.plane import GrpcPlane, grpc_plane

StartPlane = Callable[..., Awaitable[GrpcPlane]]


@pytest.fixture
async def start_plane(tmp_path: Path) -> AsyncIterator[StartPlane]:
    """Once in a test, with the arguments of `grpc_plane` but for the folder."""
    async with AsyncExitStack() as stack:

        async def start(*flags: str, **settings: Any) -> GrpcPlane:
            return await stack.enter_async_context(grpc_plane(tmp_path, *flags, **settings))

        yield start
