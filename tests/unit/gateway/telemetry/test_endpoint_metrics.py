from prometheus_client import CollectorRegistry

from gateway.domain.outcomes import CallOutcome
from gateway.pool.endpoint_health import EndpointHealth
from gateway.pool.pool import Pool
from gateway.telemetry.endpoint_metrics import EndpointMetrics
from tests.unit.gateway.conftest import endpoints_file


def test_every_state_of_every_llm_is_counted_at_each_scrape() -> None:
    registry, pool = CollectorRegistry(), Pool(endpoints_file(), EndpointHealth())
    EndpointMetrics(registry).watch(pool.states)

    def counted() -> dict[str, float | None]:
        states = ("healthy", "ejected", "down")
        return {s: registry.get_sample_value("routerdc_endpoints", {"llm": "beta", "state": s}) for s in states}

    assert counted() == {"healthy": 1, "ejected": 0, "down": 0}
    for _ in range(5):
        pool.endpoint_health.report(pool.llms["beta"].endpoints[0], CallOutcome.ERROR)
    assert counted() == {"healthy": 0, "ejected": 1, "down": 0}
