"""The health service over a real connection."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc

from gateway.grpc_api import health
from gateway.grpc_api.health import HealthService
from gateway.grpc_api.intake.guard import Intake

SERVING, NOT_SERVING = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING


@dataclass
class Served:
    service: HealthService
    stub: Any
    channel: aio.Channel

    def watch(self, name: str = "a") -> Any:
        return self.stub.Watch(pb.HealthCheckRequest(service=name))


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    service, server = HealthService(), aio.server()
    service.set(("a", "b"), SERVING)
    service.add_to(server, Intake(lambda: 0))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Served(service, health_pb2_grpc.HealthStub(channel), channel)
    await server.stop(None)


async def told(call: Any) -> int:
    return int((await asyncio.wait_for(call.read(), 5)).status)


async def code_of(call: Any) -> grpc.StatusCode:
    with pytest.raises(aio.AioRpcError) as error:
        await asyncio.wait_for(call, 5)
    return error.value.code()


async def test_who_stays_hears_on_when_another_watcher_leaves(served: Served) -> None:
    stays, leaves = served.watch(), served.watch()
    assert (await told(stays), await told(leaves)) == (SERVING, SERVING)
    leaves.cancel()
    await asyncio.sleep(0.1)
    for status in (NOT_SERVING, SERVING, NOT_SERVING):
        served.service.set(("a",), status)
        assert await told(stays) == status


async def test_who_does_not_read_keeps_nothing_from_the_others(served: Served) -> None:
    deaf, hears = served.watch(), served.watch()
    assert await told(hears) == SERVING
    for i in range(5000):
        served.service.set(("a",), NOT_SERVING if i % 2 else SERVING)
        await asyncio.sleep(0)
    served.service.set(("a",), NOT_SERVING)
    while await told(hears) != NOT_SERVING:
        pass
    deaf.cancel()


async def test_only_changes_of_the_watched_service_are_told(served: Served) -> None:
    call = served.watch("a")
    assert await told(call) == SERVING
    served.service.set(("b",), NOT_SERVING)
    served.service.set(("a",), SERVING)
    served.service.set(("a",), NOT_SERVING)
    assert await told(call) == NOT_SERVING


async def test_an_unknown_service_is_not_found_or_watched_as_unknown(served: Served) -> None:
    assert await code_of(served.stub.Check(pb.HealthCheckRequest(service="x"))) is grpc.StatusCode.NOT_FOUND
    assert await told(served.watch("x")) == pb.HealthCheckResponse.SERVICE_UNKNOWN


async def test_draining_is_told_and_final_and_the_end_ends_every_watcher(served: Served) -> None:
    call = served.watch()
    assert await told(call) == SERVING
    served.service.drain()
    served.service.set(("a",), SERVING)
    assert await told(call) == NOT_SERVING
    served.service.end()
    assert await asyncio.wait_for(call.read(), 5) is aio.EOF


async def test_a_request_that_does_not_come_with_its_call_is_refused(served: Served) -> None:
    call: Any = served.channel.stream_unary(
        "/grpc.health.v1.Health/Check", pb.HealthCheckRequest.SerializeToString, pb.HealthCheckResponse.FromString
    )()
    assert await code_of(call) is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_one_host_may_watch_so_often_and_again_when_it_has_left(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "MAX_WATCHERS_PER_HOST", 2)
    calls = [served.watch() for _ in range(2)]
    assert [await told(call) for call in calls] == [SERVING, SERVING]
    assert await code_of(served.watch().read()) is grpc.StatusCode.RESOURCE_EXHAUSTED
    calls[0].cancel()
    await asyncio.sleep(0.1)
    assert await told(served.watch()) == SERVING
