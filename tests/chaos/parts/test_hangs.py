"""What hangs without an end: a worker that is stopped, a file that nobody writes, a watcher that others outlive."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.triton.server import TritonServer
from tests.chaos.conftest import StartGateway
from tests.chaos.ledger import FULL, Ledger
from tests.chaos.load import Load, channel, routing
from tests.support.waiting import until

Seconds = Callable[[float, float], float]

DEADLINE_MS = 2000.0 if FULL else 10_000.0
SETTINGS = {"deadline_ms": DEADLINE_MS / 2}
WATCHERS = 8
GRACE_SECONDS = 2.0


async def new_caller(address: str, query: str) -> str:
    """What a caller with a connection of its own gets."""
    async with channel(address, ("grpc.use_local_subchannel_pool", 1)) as one:
        return await routing(one, DEADLINE_MS)(query)


async def test_a_stopped_worker_is_replaced_and_new_callers_are_served(
    triton: TritonServer, start_gateway: StartGateway, ledger: Ledger, seconds: Seconds
) -> None:
    fault = "worker stopped (SIGSTOP)"
    settings = SETTINGS | {"workers": 2, "worker_timeout_seconds": 2}
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, **settings)
    hung = min(gateway.children())
    os.kill(hung, signal.SIGSTOP)
    stopped = time.monotonic()
    await until(lambda: hung not in gateway.children() and len(gateway.children()) == 2, seconds=60)
    ledger.at_most(fault, "replaced within", time.monotonic() - stopped, 5, "s")

    async def ask(query: str) -> str:
        return await new_caller(gateway.address, query)

    async with Load(ask, 20) as load:
        await asyncio.sleep(seconds(2, 10))
    ledger.never(fault, "every new caller is served afterwards", load.calls, lambda call: not call.decided)


async def test_a_file_that_hangs_holds_up_neither_calls_nor_the_end(
    triton: TritonServer, start_gateway: StartGateway, endpoints_file: Path, ledger: Ledger, seconds: Seconds
) -> None:
    fault = "endpoints.yaml hangs (a FIFO that nobody writes)"
    settings = SETTINGS | {"reload_interval_seconds": 0.1, "grace_seconds": GRACE_SECONDS}
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, **settings)
    fifo = endpoints_file.with_suffix(".fifo")
    os.mkfifo(fifo)
    async with channel(gateway.address) as one, Load(routing(one, DEADLINE_MS), 30) as load:
        fifo.replace(endpoints_file)
        await until(lambda: gateway.metric("routerdc_last_reload_successful", file="endpoints") == 0, seconds=60)
        await asyncio.sleep(seconds(1, 10))
    ledger.never(fault, "every call is decided", load.calls, lambda call: not call.decided)
    gateway.signal(signal.SIGTERM)
    ending = time.monotonic()
    await until(lambda: not gateway.process.running, seconds=60)
    ledger.at_most(fault, "the process ends after SIGTERM within", time.monotonic() - ending, 2 * GRACE_SECONDS, "s")


async def heard_the_end(one: aio.Channel, started: asyncio.Event, leave: asyncio.Event | None = None) -> bool:
    """Whether a watcher is told that the server no longer serves; `leave`: it goes away before that."""
    stub: Any = health_pb2_grpc.HealthStub(one)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=""))
    serving = health_pb2.HealthCheckResponse.SERVING
    assert (await watch.read()).status == serving
    started.set()
    if leave is not None:
        await leave.wait()
        watch.cancel()
        return False
    answer = await asyncio.wait_for(watch.read(), 60)
    return isinstance(answer, health_pb2.HealthCheckResponse) and answer.status != serving


async def test_watchers_of_health_hear_of_changes_when_others_have_left(
    triton: TritonServer, start_gateway: StartGateway, ledger: Ledger
) -> None:
    gateway = await asyncio.to_thread(start_gateway, triton.grpc_address, **SETTINGS)
    leave, started = asyncio.Event(), [asyncio.Event() for _ in range(WATCHERS)]
    async with channel(gateway.address) as one:
        leaving = [asyncio.create_task(heard_the_end(one, event, leave)) for event in started[::2]]
        staying = [asyncio.create_task(heard_the_end(one, event)) for event in started[1::2]]
        await asyncio.gather(*(event.wait() for event in started))
        leave.set()
        await asyncio.gather(*leaving)
        gateway.signal(signal.SIGTERM)
        heard = await asyncio.gather(*staying)
    fault, told = "half of the watchers of Health leave, then SIGTERM", "watchers that hear nothing"
    ledger.at_most(fault, told, heard.count(False), 0, "", calls=len(heard), timed=False)
