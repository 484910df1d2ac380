"""Names of clusters and the order in which they are tried."""

from typing import Any

from gateway.config.endpoints_file import Endpoint, Llm
from gateway.pool.clusters import attempts, authority, base_path, clusters_of, first_of_each, same_model


def llm(*endpoints: dict[str, Any]) -> Llm:
    defaults = {"address": "http://10.0.0.1:8000/v1", "model": "m"}
    return Llm.model_validate({"endpoints": [defaults | endpoint for endpoint in endpoints]})


def at(host: str, **fields: Any) -> dict[str, Any]:
    return {"address": f"http://{host}:8000/v1", **fields}


def names(llm: str, spec: Llm) -> list[str]:
    return [cluster.name for cluster in clusters_of(llm, spec)]


def test_endpoints_that_differ_only_in_their_host_are_one_cluster() -> None:
    (cluster,) = clusters_of("a", llm(at("10.0.0.1"), at("10.0.0.2")))
    assert (cluster.llm, len(cluster.endpoints)) == ("a", 2)


def test_endpoints_that_differ_otherwise_are_clusters_of_their_own() -> None:
    kinds = [
        {},
        {"model": "other"},
        {"address": "http://10.0.0.1:8000/other"},
        {"address": "https://10.0.0.1/v1"},
        {"api_key_env": "KEY"},
        {"api_key_file": "/key"},
        {"ca_file": "/ca"},
    ]
    forwards, backwards = names("a", llm(*kinds)), names("a", llm(*reversed(kinds)))
    assert len(set(forwards)) == len(kinds)
    assert backwards == forwards[::-1]  # a name does not depend on the place


def test_name_belongs_to_the_llm_and_is_the_same_for_every_host() -> None:
    (one,), (other,), (elsewhere,) = names("a", llm(at("h1"))), names("a", llm(at("h2"))), names("b", llm(at("h1")))
    assert one == other == f"a{elsewhere[1:]}"
    assert one.startswith("a#")


def test_names_do_not_depend_on_what_is_in_use() -> None:
    spec = llm({"in_use": False}, {"model": "other"})
    unused, used = names("a", spec)
    assert [unused, used] == names("a", llm({}, {"model": "other"}))
    assert attempts({"a": spec}, first_of_each({"a": spec}, ["a"])) == (used, used)


def test_candidates_are_tried_in_order() -> None:
    llms = {"a": llm({}), "b": llm({})}
    assert attempts(llms, first_of_each(llms, ["b", "a"])) == (*names("b", llms["b"]), *names("a", llms["a"]))


def test_llm_with_a_replica_is_tried_twice() -> None:
    llms = {"a": llm(at("10.0.0.1"), at("10.0.0.2")), "b": llm({})}
    a, b = names("a", llms["a"]), names("b", llms["b"])
    assert attempts(llms, first_of_each(llms, ["a", "b"])) == (*a, *a, *b)


def test_llm_with_endpoints_of_two_kinds_is_tried_at_the_chosen_one_first() -> None:
    spec = llm(at("10.0.0.1"), at("10.0.0.2", model="other"))
    assert attempts({"a": spec}, [("a", spec.endpoints[1])]) == tuple(reversed(names("a", spec)))


def test_only_candidate_is_tried_twice() -> None:
    llms = {"a": llm({})}
    assert attempts(llms, first_of_each(llms, ["a"])) == (*names("a", llms["a"]), *names("a", llms["a"]))


def test_llm_without_an_endpoint_in_use_is_no_candidate() -> None:
    llms = {"a": llm({"in_use": False}), "b": llm({})}
    assert [name for name, _ in first_of_each(llms, ["a", "b"])] == ["b"]


def test_endpoint_picker_gets_those_that_know_the_same_model() -> None:
    spec = llm(at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3", model="other"), at("10.0.0.4", in_use=False))
    assert same_model(spec, spec.endpoints[1]) == ("10.0.0.2:8000", "10.0.0.1:8000")


def test_authority_and_path_of_all_kinds_of_addresses() -> None:
    parts = {
        "http://host/v1": ("host:80", "/v1"),
        "https://host/a/v1/": ("host:443", "/a/v1"),
        "http://[::1]:8000": ("[::1]:8000", ""),
    }
    for address, expected in parts.items():
        endpoint = Endpoint(address=address, model="m")
        assert (authority(endpoint), base_path(endpoint)) == expected
