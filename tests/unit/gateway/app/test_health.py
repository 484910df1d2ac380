import asyncio

import pytest
from grpc_health.v1 import health_pb2

from gateway.app.health import FOLLOWING, Health
from gateway.domain.scorer import Bundle
from gateway.errors import BundleMismatchError, ScorerUnavailableError
from gateway.telemetry.metrics import Metrics
from routerdc_contract.services import LIVE
from tests.support.fakes.scorer import BUNDLE
from tests.support.waiting import until

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Probe:
    """Gives a bundle, or raises `fault`."""

    fault: Exception | None = None

    async def __call__(self) -> Bundle:
        if self.fault is not None:
            raise self.fault
        return BUNDLE

    def check(self, bundle: Bundle) -> None:
        """Every bundle is right."""


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def health(probe: Probe, metrics: Metrics) -> Health:
    return Health(probe, probe.check, metrics)


async def status(health: Health, service: str) -> int:
    answer = await health.service.check(health_pb2.HealthCheckRequest(service=service), None)
    return int(answer.status)


async def test_a_ready_scorer_with_the_right_bundle_serves(health: Health, metrics: Metrics) -> None:
    assert await health.update() is None
    assert [await status(health, service) for service in (*FOLLOWING, LIVE)] == [SERVING] * 3
    assert metrics.registry.get_sample_value("routerdc_ready") == 1
    assert metrics.registry.get_sample_value("routerdc_bundle_info", {"bundle_id": BUNDLE.bundle_id}) == 1


@pytest.mark.parametrize("fault", [ScorerUnavailableError("gone"), BundleMismatchError("other names")])
async def test_a_fault_is_not_serving_but_live(
    health: Health, probe: Probe, metrics: Metrics, fault: Exception
) -> None:
    await health.update()
    probe.fault = fault
    assert await health.update() == str(fault)
    assert [await status(health, service) for service in (*FOLLOWING, LIVE)] == [NOT_SERVING, NOT_SERVING, SERVING]
    assert metrics.registry.get_sample_value("routerdc_ready") == 0


async def test_the_watcher_survives_a_defect_of_the_probe(health: Health, probe: Probe) -> None:
    probe.fault = ZeroDivisionError()
    watching = asyncio.create_task(health.watch(0.001))
    await asyncio.sleep(0.02)
    probe.fault = None

    async def serving() -> bool:
        return await status(health, "") == SERVING and health.ready

    await until(serving)
    watching.cancel()


async def test_draining_is_final(health: Health) -> None:
    await health.update()
    health.drain()
    await health.update()
    assert await status(health, "") == NOT_SERVING
