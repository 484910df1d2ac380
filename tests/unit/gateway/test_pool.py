import pytest

from gateway.endpoints import EndpointsFile
from gateway.errors import BundleMismatchError, NoLlmError
from gateway.pool import Pool
from gateway.scorer import Bundle


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
    pool.check(Bundle("id", ("gamma", "beta", "alpha")))
