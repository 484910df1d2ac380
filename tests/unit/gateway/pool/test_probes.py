import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.config.endpoints_file import EndpointsFile
from gateway.config.groups import EndpointRules
from gateway.domain.outcomes import EndpointState
from gateway.pool.endpoint_health import EndpointHealth
from gateway.pool.pool import Pool
from gateway.pool.probes import Prober
from tests.support.waiting import until


@dataclass
class FakeEndpoint:
    """Answers GET /health with `status` after `delay_seconds`."""

    status: int = 200
    delay_seconds: float = 0.0
    asked: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def health(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.delay_seconds)
        finally:
            self.at_once -= 1
        return web.Response(status=self.status)


@asynccontextmanager
async def probed(
    fake: FakeEndpoint, n: int = 1, probe_path: str | None = "/health?deep", **probing: float
) -> AsyncIterator[Pool]:
    app = web.Application()
    app.router.add_get("/health", fake.health)
    async with TestServer(app) as server:
        address = f"http://{server.host}:{server.port}/v1"
        endpoints = [{"address": address, "model": f"m{i}", "probe_path": probe_path} for i in range(n)]
        file = EndpointsFile.model_validate({"default": ["a"], "llms": {"a": {"endpoints": endpoints}}})
        fast = {
            "probe_interval_seconds": 0.02,
            "probe_timeout_seconds": 0.2,
            "max_probes": 4,
            "max_endpoint_failures": 2,
        }
        rules = EndpointRules.model_validate({"max_endpoint_failures": 2} | fast | probing)
        pool = Pool(file, EndpointHealth(rules))
        async with Prober(lambda: pool, rules).watching():
            yield pool


async def state_becomes(pool: Pool, *states: EndpointState) -> None:
    async def reached() -> bool:
        return all(state in states for _, _, state in pool.states())

    await until(reached)


async def test_an_endpoint_that_fails_its_probes_is_down_until_it_is_well_again() -> None:
    fake = FakeEndpoint(status=503)
    async with probed(fake) as pool:
        await state_becomes(pool, EndpointState.DOWN)
        assert pool.healthy() == frozenset()
        fake.status = 200
        await state_becomes(pool, EndpointState.RETURNING)
    assert set(fake.asked) == {"/health?deep"}


async def test_an_endpoint_that_does_not_answer_in_time_is_down() -> None:
    async with probed(FakeEndpoint(delay_seconds=30), probe_timeout_seconds=0.02) as pool:
        await state_becomes(pool, EndpointState.DOWN)


async def test_an_endpoint_that_is_well_stays_healthy() -> None:
    fake = FakeEndpoint()
    async with probed(fake) as pool:

        async def asked() -> bool:
            return len(fake.asked) > 3

        await until(asked)
        assert pool.endpoint_health.all_well


async def test_probes_at_once_are_bounded() -> None:
    fake = FakeEndpoint(status=500, delay_seconds=0.01)
    async with probed(fake, n=8, max_probes=2) as pool:
        await state_becomes(pool, EndpointState.DOWN)
    assert fake.most_at_once <= 2


async def test_without_a_probe_path_nothing_is_asked() -> None:
    fake = FakeEndpoint()
    async with probed(fake, probe_path=None):
        await asyncio.sleep(0.1)
    assert fake.asked == []


@pytest.mark.parametrize("path", ["health", "", "/a b"])
def test_a_probe_path_begins_with_a_slash(path: str) -> None:
    endpoint = {"address": "http://a", "model": "m", "probe_path": path}
    with pytest.raises(ValueError, match="probe_path"):
        EndpointsFile.model_validate({"default": ["a"], "llms": {"a": {"endpoints": [endpoint]}}})
