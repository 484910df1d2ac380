"""The HTTP API over a router with a scripted scorer, on a real port."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.domain.scorer import Bundle, Neighbours
from gateway.http_api.application import HttpApi
from gateway.limits.caller import Callers
from gateway.scoring.nearest import Nearest
from tests.support.fakes.scorer import BUNDLE, FakeScorer
from tests.support.gateways.running import SETTINGS, Running, endpoints_file

CALIBRATED: Bundle = replace(BUNDLE, calibration=((4.0, 0.0),) * 3)
"""alpha 0.5, beta 0.9, gamma 0.1 score as FakeScorer has it: P = 0.881, 0.973, 0.599."""
TIERS = {"auto": {}, "SIMPLE": {"allowed": ["alpha", "gamma"]}, "COMPLEX": {"allowed": ["beta"]}}


@dataclass
class Http:
    """A client of the running API."""

    base: str
    session: aiohttp.ClientSession
    running: Running

    async def post(self, path: str, body: Any, **options: Any) -> tuple[int, Any]:
        """Status and JSON of the answer; `body` bytes or JSON."""
        sent: Any = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self.session.post(self.base + path, **sent, **options) as answer:
            return answer.status, await answer.json()


Serve = Callable[..., Awaitable[Http]]


@pytest.fixture
async def serve(start: Callable[..., Awaitable[Running]]) -> AsyncIterator[Serve]:
    """Starts the API: `await serve(scorer=…, callers=…, near=…, file changes…)`."""
    runners: list[tuple[web.AppRunner, aiohttp.ClientSession]] = []

    async def nothing_near(query: str) -> Neighbours | None:
        return None

    async def _serve(
        scorer: FakeScorer | None = None,
        callers: Callers | None = None,
        near: Callable[[str], Awaitable[Neighbours | None]] = nothing_near,
        **changes: Any,
    ) -> Http:
        file = endpoints_file(virtual_models=TIERS, **changes)
        running = await start(scorer or FakeScorer(bundle=CALIBRATED), file=file)
        router, nearest = running.servicer._router, Nearest(near)
        api = HttpApi(router, running.metrics, SETTINGS.limits, SETTINGS.deadlines, callers, nearest)
        runner = web.AppRunner(api.application(), handler_cancellation=True, auto_decompress=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append((runner, aiohttp.ClientSession()))
        return Http(f"http://127.0.0.1:{runner.addresses[0][1]}", runners[-1][1], running)

    yield _serve
    for runner, session in runners:
        await session.close()
        await runner.cleanup()
