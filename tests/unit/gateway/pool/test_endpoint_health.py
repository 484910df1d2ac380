import pytest

from gateway.config.endpoints_file import Endpoint
from gateway.config.groups import EndpointRules
from gateway.domain.outcomes import CallOutcome, EndpointState
from gateway.pool.endpoint_health import EndpointHealth

ENDPOINT = Endpoint(address="http://a", model="m")
RULES = EndpointRules(max_endpoint_failures=3, ejection_seconds=10, max_ejection_seconds=30, return_seconds=20)
FAILURES = [CallOutcome.ERROR, CallOutcome.TIMEOUT, CallOutcome.RATE_LIMITED]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> EndpointHealth:
    return EndpointHealth(RULES, clock)


def test_several_failures_in_a_row_eject(health: EndpointHealth) -> None:
    assert [health.report(ENDPOINT, outcome) for outcome in FAILURES] == [None, None, 10]
    assert (health.state(ENDPOINT), health.share(ENDPOINT)) == (EndpointState.EJECTED, 0)


def test_a_success_between_failures_starts_the_count_again(health: EndpointHealth) -> None:
    for outcome in [*FAILURES[:2], CallOutcome.OK, *FAILURES[:2]]:
        health.report(ENDPOINT, outcome)
    assert health.state(ENDPOINT) is EndpointState.HEALTHY


def test_an_ejected_endpoint_returns_slowly_and_is_then_as_if_nothing_was(health: EndpointHealth, clock: Clock) -> None:
    for outcome in FAILURES:
        health.report(ENDPOINT, outcome)
    shares = {}
    for clock.now in (1009.9, 1010.0, 1015.0, 1020.0, 1030.0):
        shares[clock.now] = health.share(ENDPOINT)
    assert shares == {1009.9: 0, 1010.0: 0.1, 1015.0: 0.25, 1020.0: 0.5, 1030.0: 1.0}
    health.report(ENDPOINT, CallOutcome.OK)
    assert health.all_well


def test_one_failure_while_returning_ejects_for_twice_as_long_up_to_the_limit(
    health: EndpointHealth, clock: Clock
) -> None:
    for outcome in FAILURES[:2]:
        health.report(ENDPOINT, outcome)
    seconds = []
    for _ in range(4):
        seconds.append(health.report(ENDPOINT, CallOutcome.ERROR))
        clock.now += (seconds[-1] or 0) + 1
    assert seconds == [10, 20, 30, 30]


def test_after_a_full_return_ejections_are_short_again(health: EndpointHealth, clock: Clock) -> None:
    for outcome in FAILURES:
        health.report(ENDPOINT, outcome)
    clock.now += 31
    assert [health.report(ENDPOINT, outcome) for outcome in FAILURES] == [None, None, 10]


def test_late_reports_about_an_ejected_endpoint_change_nothing(health: EndpointHealth, clock: Clock) -> None:
    for outcome in [*FAILURES, *FAILURES, CallOutcome.OK]:
        health.report(ENDPOINT, outcome)
    clock.now += 10
    assert health.state(ENDPOINT) is EndpointState.RETURNING


def test_failed_probes_put_an_endpoint_down_until_one_succeeds(health: EndpointHealth, clock: Clock) -> None:
    for _ in range(3):
        assert health.share(ENDPOINT) == 1
        health.probe(ENDPOINT, ok=False)
    clock.now += 10_000
    assert (health.state(ENDPOINT), health.share(ENDPOINT)) == (EndpointState.DOWN, 0)
    health.probe(ENDPOINT, ok=True)
    assert (health.state(ENDPOINT), health.share(ENDPOINT)) == (EndpointState.RETURNING, 0.1)
    clock.now += 20
    health.probe(ENDPOINT, ok=True)
    assert health.all_well


def test_a_probe_that_succeeds_does_not_undo_what_callers_report(health: EndpointHealth) -> None:
    for outcome in FAILURES:
        health.probe(ENDPOINT, ok=True)
        health.report(ENDPOINT, outcome)
    health.probe(ENDPOINT, ok=True)
    assert health.state(ENDPOINT) is EndpointState.EJECTED


def test_another_model_at_the_same_address_is_another_endpoint(health: EndpointHealth) -> None:
    for outcome in FAILURES:
        health.report(ENDPOINT, outcome)
    assert health.state(ENDPOINT.model_copy(update={"model": "other"})) is EndpointState.HEALTHY


def test_endpoints_that_left_the_pool_are_forgotten(health: EndpointHealth) -> None:
    for outcome in FAILURES:
        health.report(ENDPOINT, outcome)
    health.keep_only([ENDPOINT])
    assert health.state(ENDPOINT) is EndpointState.EJECTED
    health.keep_only([])
    assert health.all_well


def test_an_endpoint_out_of_use_has_no_share(health: EndpointHealth) -> None:
    assert health.share(ENDPOINT.model_copy(update={"in_use": False})) == 0


def test_what_one_caller_reports_ejects_for_that_caller_alone(health: EndpointHealth) -> None:
    for _ in range(50):
        health.report(ENDPOINT, CallOutcome.ERROR, "hostile")
    assert health.state(ENDPOINT, "hostile") is EndpointState.EJECTED
    assert (health.state(ENDPOINT), health.share(ENDPOINT, "other")) == (EndpointState.HEALTHY, 1.0)


def test_two_callers_who_agree_eject_for_everybody(health: EndpointHealth) -> None:
    for caller in ("one", "two"):
        for _ in range(3):
            health.report(ENDPOINT, CallOutcome.TIMEOUT, caller)
    assert health.state(ENDPOINT, "third") is EndpointState.EJECTED


def test_a_caller_whose_reports_are_good_again_is_no_witness(health: EndpointHealth, clock: Clock) -> None:
    for _ in range(3):
        health.report(ENDPOINT, CallOutcome.ERROR, "one")
    clock.now += 1000
    health.report(ENDPOINT, CallOutcome.OK, "one")
    for _ in range(3):
        health.report(ENDPOINT, CallOutcome.ERROR, "two")
    assert health.state(ENDPOINT, "third") is EndpointState.HEALTHY
