from prometheus_client import CollectorRegistry

from gateway.endpoint_health import EndpointHealth, Outcome
from gateway.endpoint_metrics import EndpointMetrics
from gateway.pool import Pool
from tests.unit.gateway.conftest import endpoints_file


def test_every_state_of_every_llm_is_counted_at_each_scrape() -> None:
    registry, pool = CollectorRegistry(), Pool(endpoints_file(), EndpointHealth())
    EndpointMetrics(registry).watch(pool.states)

    def counted() -> dict[str, float | None]:
        states = ("healthy", "ejected", "down")
        return {s: registry.get_sample_value("routerdc_endpoints", {"llm": "beta", "state": s}) for s in states}

    assert counted() == {"healthy": 1, "ejected": 0, "down": 0}
    for _ in range(5):
        pool.endpoint_health.report(pool.llms["beta"].endpoints[0], Outcome.ERROR)
    assert counted() == {"healthy": 0, "ejected": 1, "down": 0}
