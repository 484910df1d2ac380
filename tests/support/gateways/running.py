"""A real grpc.aio server on a free port, with a scriptable scorer behind it."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from grpc import aio

from gateway.config.endpoints_file import EndpointsFile
from gateway.config.settings import Settings
from gateway.domain.scorer import Scorer
from gateway.grpc_api.intake import registration
from gateway.grpc_api.servicer import RouterServicer
from gateway.limits.query_budget import QueryBudget
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import Router
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observers import LogObserver, MetricsObserver
from routerdc_contract.v1 import router_pb2, router_pb2_grpc
from tests.support.fakes.scorer import BUNDLE, FakeScorer

SETTINGS = Settings().changed(
    deadline_ms=5000, batch_deadline_ms=5000, max_query_bytes=1000, max_batch_queries=8, max_stream_in_flight=4
)


def endpoints_file(**changes: object) -> EndpointsFile:
    """alpha costs 1, beta 10, gamma 2 dollars; default alpha, then gamma."""
    prices = zip(BUNDLE.llms, (1, 10, 2), strict=True)
    llms = {
        name: {"price": price, "endpoints": [{"address": f"http://{name}.test/v1", "model": f"{name}-model"}]}
        for name, price in prices
    }
    return EndpointsFile.model_validate(
        {"default": ["alpha", "gamma"], "llms": llms, "policy": {"sticky_margin": 0}} | changes
    )


def write(path: Path, **llms: str) -> None:
    """One endpoint for each LLM, at the address given for it."""
    content = json.loads(endpoints_file().model_dump_json())
    for name, address in llms.items():
        content["llms"][name] = {"endpoints": [{"address": address, "model": "m"}]}
    draft = path.with_name("draft")
    draft.write_text(yaml.safe_dump(content), encoding="utf-8")
    draft.replace(path)


@dataclass
class Running:
    """What a test of the running server needs."""

    scorer: FakeScorer
    metrics: Metrics
    budget: QueryBudget
    servicer: RouterServicer
    server: aio.Server
    address: str
    stub: "router_pb2_grpc.RouterAsyncStub"

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., object]]:
    """Starts servers: `await start(max_in_flight=…, scorer=…, wrap=…, any limit or deadline)`."""
    running: list[tuple[aio.Server, aio.Channel]] = []

    async def _start(
        scorer: FakeScorer | None = None,
        wrap: Callable[[FakeScorer], Scorer] = lambda scorer: scorer,
        max_in_flight: int = 100,
        file: EndpointsFile | None = None,
        sticky_margin: float = 0.0,
        **limits: float,
    ) -> Running:
        fake = scorer or FakeScorer()
        metrics, budget = Metrics(), QueryBudget(max_in_flight, retry_after_seconds=0.05)
        pool = PoolRef(Pool(file or endpoints_file(policy={"sticky_margin": sticky_margin})))
        router = Router(pool, wrap(fake), budget, [MetricsObserver(metrics), LogObserver()])
        settings = SETTINGS.changed(**limits)
        servicer = RouterServicer(router, metrics, settings.limits, settings.deadlines)
        server = aio.server()
        registration.add(router_pb2.DESCRIPTOR.services_by_name["Router"], servicer, server)
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        channel = aio.insecure_channel(address)
        running.append((server, channel))
        stub: router_pb2_grpc.RouterAsyncStub = router_pb2_grpc.RouterStub(channel)
        return Running(fake, metrics, budget, servicer, server, address, stub)

    yield _start
    for server, channel in running:
        await channel.close()
        await server.stop(None)
