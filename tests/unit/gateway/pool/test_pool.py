import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.endpoints_file import EndpointsFile
from gateway.config.groups import EndpointRules
from gateway.domain.outcomes import CallOutcome, EndpointState
from gateway.domain.scorer import Bundle
from gateway.errors import BundleMismatchError, NoLlmError
from gateway.pool.endpoint_health import EndpointHealth
from gateway.pool.pool import Pool


@pytest.fixture
def pool() -> Pool:
    """alpha has two endpoints, beta one, gamma one that is out of use."""
    endpoints = {"alpha": ["http://a1", "http://a2"], "beta": ["http://b"], "gamma": ["http://g"]}
    llms = {
        name: {"endpoints": [{"address": address, "model": "m", "in_use": name != "gamma"} for address in addresses]}
        for name, addresses in endpoints.items()
    }
    return Pool(EndpointsFile.model_validate({"default": ["beta"], "llms": llms}))


def test_endpoints_of_one_llm_take_turns(pool: Pool) -> None:
    assert [pool.endpoint("alpha").address[-2:] for _ in range(4)] == ["a1", "a2", "a1", "a2"]


def test_turns_follow_the_weights_and_are_spread_evenly() -> None:
    endpoints = [{"address": f"http://{name}", "model": "m", "weight": weight} for name, weight in (("a", 3), ("b", 1))]
    pool = Pool(EndpointsFile.model_validate({"default": ["alpha"], "llms": {"alpha": {"endpoints": endpoints}}}))
    assert "".join(pool.endpoint("alpha").address[-1] for _ in range(8)) == "aabaaaba"


def test_an_llm_without_endpoint_in_use_may_not_answer(pool: Pool) -> None:
    assert pool.eligible(pool.names) == {"alpha", "beta"}
    with pytest.raises(NoLlmError, match="gamma"):
        pool.eligible(frozenset({"gamma"}))


def test_names_that_differ_from_the_bundle_are_printed_both_ways(pool: Pool) -> None:
    with pytest.raises(BundleMismatchError, match=r"missing in endpoints.yaml: delta; not in the bundle: gamma"):
        pool.check(Bundle("id", ("alpha", "beta", "delta")))


def test_the_order_of_names_does_not_matter(pool: Pool) -> None:
    pool.check_equal(Bundle("id", ("gamma", "beta", "alpha")))


def test_a_name_more_than_the_bundles_will_do_while_the_pool_changes_but_not_at_the_start(pool: Pool) -> None:
    smaller = Bundle("id", ("alpha", "beta"))
    pool.check(smaller)
    with pytest.raises(BundleMismatchError, match="not in the bundle: gamma"):
        pool.check_equal(smaller)


def test_only_llms_that_the_bundle_scores_are_ranked(pool: Pool) -> None:
    smaller = Bundle("id", ("beta", "gamma"))
    assert pool.scored(frozenset({"alpha", "beta"}), smaller) == {"beta"}
    with pytest.raises(BundleMismatchError, match="does not score alpha yet"):
        pool.scored(frozenset({"alpha"}), smaller)


def eject(pool: Pool, llm: str, *addresses: str) -> None:
    for endpoint in pool.llms[llm].endpoints:
        for _ in range(EndpointRules().max_endpoint_failures if endpoint.address in addresses else 0):
            pool.endpoint_health.report(endpoint, CallOutcome.ERROR)


def test_an_ejected_endpoint_gets_no_turn(pool: Pool) -> None:
    eject(pool, "alpha", "http://a1")
    assert {pool.endpoint("alpha").address for _ in range(4)} == {"http://a2"}
    assert pool.healthy() == {"alpha", "beta"}


def test_an_llm_whose_endpoints_are_all_ejected_is_not_eligible_unless_there_is_no_other(pool: Pool) -> None:
    eject(pool, "alpha", "http://a1", "http://a2")
    assert pool.healthy() == pool.eligible(pool.names) == {"beta"}
    assert pool.eligible(frozenset({"alpha", "gamma"})) == {"alpha"}
    assert {pool.endpoint("alpha").address for _ in range(4)} == {"http://a1", "http://a2"}


@given(st.lists(st.tuples(st.sampled_from(["a1", "a2", "b1", "b2", "c1"]), st.booleans()), max_size=60))
def test_an_unhealthy_llm_or_endpoint_is_never_chosen_while_another_is_well(reports: list[tuple[str, bool]]) -> None:
    llms = {
        name: {"endpoints": [{"address": f"http://{name}{i}", "model": "m"} for i in numbers]}
        for name, numbers in (("a", (1, 2)), ("b", (1, 2)), ("c", (1,)))
    }
    rules = EndpointRules(max_endpoint_failures=2, ejection_seconds=1000)
    pool = Pool(EndpointsFile.model_validate({"default": ["a"], "llms": llms}), EndpointHealth(rules))
    for name, ok in reports:
        found = pool.find(f"http://{name}", "m")
        assert found is not None
        pool.endpoint_health.report(found[1], CallOutcome.OK if ok else CallOutcome.ERROR)
        well = {llm for llm, _, state in pool.states() if state is EndpointState.HEALTHY}
        assert pool.eligible(pool.names) == (well or pool.names)
        for llm in well:
            assert pool.endpoint_health.state(pool.endpoint(llm)) is EndpointState.HEALTHY
