"""A `Routing` over a scripted scorer: beta, alpha, gamma unless a query is scripted."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.config.settings import Settings
from gateway.limits.query_budget import QueryBudget
from gateway.openai.routing import Routing
from gateway.pool.pool import Pool
from gateway.pool.pool_ref import PoolRef
from gateway.routing.router import Router
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.observers import LogObserver, MetricsObserver
from tests.support.fakes.scorer import FakeScorer
from tests.unit.gateway.conftest import endpoints_file

MakeRouting = Callable[..., Routing]


@pytest.fixture
def scorer() -> FakeScorer:
    return FakeScorer()


@pytest.fixture
def make_routing(scorer: FakeScorer) -> MakeRouting:
    """`make_routing(any setting, in_flight=…, file={fields of endpoints.yaml})`."""

    def make(*, in_flight: int = 10, file: dict[str, Any] | None = None, **settings: Any) -> Routing:
        metrics = Metrics()
        pool, budget = PoolRef(Pool(endpoints_file(**(file or {})))), QueryBudget(in_flight, 0.05)
        router = Router(pool, scorer, budget, [MetricsObserver(metrics), LogObserver()])
        chosen = Settings().changed(**({"deadline_ms": 1000, "max_query_bytes": 1000} | settings))
        return Routing(router, metrics, chosen.openai, chosen.limits, chosen.deadlines)

    return make


@pytest.fixture
def routing(make_routing: MakeRouting) -> Routing:
    return make_routing()
