"""The overlay `envoy-gateway`, where the cluster has Envoy Gateway."""

import json
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.cluster.support import envoy_gateway
from tests.cluster.support.kubectl import ROUTER, apply, kubectl, pods, rolled_out, run_in_pod, until
from tests.cluster.support.load import load
from tests.cluster.support.manifests import NAMES, SERVED
from tests.support.rendered import of_kind, overlay

Record = Callable[[str, object], None]
QUERY = "Which planet has the most moons?"
CA_FILE = "/tmp/ca.pem"
JUDGED = (
    *("GatewayClass", "Gateway", "HTTPRoute", "GRPCRoute", "Backend"),
    *("EnvoyExtensionPolicy", "ClientTrafficPolicy", "BackendTrafficPolicy"),
)
"""Kinds whose objects have conditions."""


@pytest.fixture(scope="module")
def host(router: None) -> Iterator[str]:
    """The overlay beside the router; where its Envoy listens, whose certificate the client's pod knows."""
    if not envoy_gateway.installed():
        pytest.skip("no Envoy Gateway")
    try:
        apply(envoy_gateway.objects())
        run_in_pod("put", CA_FILE, envoy_gateway.CA)
        yield envoy_gateway.address()
    finally:
        envoy_gateway.delete()


@pytest.mark.parametrize("kind", JUDGED)
def test_it_is_accepted(host: str, kind: str) -> None:
    """Envoy Gateway accepts every object of its overlay."""
    for one in of_kind(overlay("envoy-gateway"), kind):
        until(partial(envoy_gateway.accepts, one), f"{kind} {one['metadata']['name']}", 60)


def test_grpc(host: str) -> None:
    """A query by gRPC and TLS through Envoy Gateway's listener."""
    answer = json.loads(run_in_pod("route", f"{host}:443", QUERY, CA_FILE))
    assert answer["llm"] in NAMES
    assert answer["bundle"] == SERVED


def test_openai(host: str, record_property: Record) -> None:
    """`model: auto` by HTTPS through Envoy Gateway to an LLM, which is not the one that the caller's header names."""
    answer = json.loads(run_in_pod("chat", host, "443", QUERY, CA_FILE))
    assert answer["status"] == 200
    assert answer["llm"] in NAMES
    assert answer["content"] == f"I am {answer['llm']}."
    record_property("answered", answer["llm"])


def test_what_is_answered_without_an_llm(host: str) -> None:
    """Through Envoy Gateway our gateway lists the models, and Envoy says what there is where nothing is routed."""
    listed = json.loads(run_in_pod("get", host, "443", "/v1/models", CA_FILE))
    assert listed["status"] == 200
    assert {"auto", *NAMES} <= {model["id"] for model in listed["content"]["data"]}
    elsewhere = json.loads(run_in_pod("get", host, "443", "/v1/files", CA_FILE))
    assert elsewhere["status"] == 404
    assert "POST /v1/chat/completions" in elsewhere["content"]["error"]["message"]


def test_grpc_while_gateways_change(host: str, record_property: Record) -> None:
    """Every gateway is replaced under load that comes by gRPC through Envoy Gateway."""
    before = {pod["metadata"]["name"] for pod in pods("routerdc-gateway")}
    with load(address=f"{host}:443", ca_file=CA_FILE) as answers:
        kubectl("-n", ROUTER, "rollout", "restart", "deployment/routerdc-gateway")
        rolled_out("routerdc-gateway")
    assert before.isdisjoint(pod["metadata"]["name"] for pod in pods("routerdc-gateway"))
    record_property("answers", answers.all_scored())


def test_nothing_stays(host: str) -> None:
    """`kubectl delete` of Envoy Gateway's overlay takes what Envoy Gateway has made with it."""
    envoy_gateway.delete()
    until(lambda: not envoy_gateway.left(), "all of it is gone", 120)
