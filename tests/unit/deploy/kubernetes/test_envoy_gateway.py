"""OpenAI traffic through Envoy Gateway: its objects agree with endpoints.yaml, with the gateway and with each other."""

import json
from urllib.parse import urlsplit

import yaml

from gateway.config.settings import Settings
from gateway.envoy_config.http.grpc_route import SERVICES
from gateway.envoy_config.parts.failures import TRANSIENT
from gateway.envoy_config.parts.headers import CALLERS_CREDENTIALS, INTERNAL_HEADERS
from gateway.envoy_config.parts.options import Options
from gateway.envoy_config.upstreams.clusters import buffer_bytes
from gateway.envoy_config.upstreams.gateway_cluster import MAX_CALLS
from gateway.openai import mutations
from tests.support.rendered import Object, named, needs_kubectl, of_kind, overlay

pytestmark = needs_kubectl
OBJECTS = "envoy-gateway"


def spec(kind: str, name: str = "routerdc") -> Object:
    found: Object = named(overlay(OBJECTS), kind, name)["spec"]
    return found


def llms() -> dict[str, list[str]]:
    """host:port of the endpoints of each LLM in endpoints.yaml."""
    text = named(overlay("cpu"), "ConfigMap", "routerdc-endpoints")["data"]["endpoints.yaml"]
    entries = yaml.safe_load(text)["llms"].items()
    return {name: [urlsplit(e["address"]).netloc for e in llm["endpoints"]] for name, llm in entries}


def test_each_llm_has_a_rule_that_leads_to_its_endpoints() -> None:
    *rules, last = spec("HTTPRoute", "openai")["rules"]
    led: dict[str, list[str]] = {}
    for rule in rules:
        ((header,),) = [match["headers"] for match in rule["matches"]]
        assert header["name"] == mutations.LLM_HEADER
        for reference in rule["backendRefs"]:
            assert (reference["group"], reference["kind"]) == ("gateway.envoyproxy.io", "Backend")
            endpoints = spec("Backend", reference["name"])["endpoints"]
            led.setdefault(header["value"], []).extend(
                f"{e['fqdn']['hostname']}:{e['fqdn']['port']}" for e in endpoints
            )
    assert led == llms()
    assert "matches" not in last
    assert len(rules) + 1 <= 16  # more the Gateway API does not take


def test_every_backend_is_used() -> None:
    used = {ref["name"] for rule in spec("HTTPRoute", "openai")["rules"] for ref in rule.get("backendRefs", ())}
    assert used == {one["metadata"]["name"] for one in of_kind(overlay(OBJECTS), "Backend")}


def test_no_llm_gets_what_its_callers_are_known_by() -> None:
    for rule in spec("HTTPRoute", "openai")["rules"][:-1]:
        removed = set(rule["filters"][0]["requestHeaderModifier"]["remove"])
        assert removed >= {*CALLERS_CREDENTIALS, "x-routerdc-session", mutations.LLM_HEADER, mutations.MODEL_HEADER}


def test_answers_name_their_llm_and_say_nothing_else_in_our_name() -> None:
    for rule in spec("HTTPRoute", "openai")["rules"][:-1]:
        (matched,) = rule["matches"][0]["headers"]
        modifier = rule["filters"][1]["responseHeaderModifier"]
        assert modifier["set"] == [matched]
        assert {"x-routerdc-reason", "x-routerdc-time-ms", "x-routerdc-truncated"} <= set(modifier["remove"])


def test_callers_cannot_choose_past_the_gateway() -> None:
    removed = set(spec("ClientTrafficPolicy")["headers"]["earlyRequestHeaders"]["remove"])
    assert removed == {*INTERNAL_HEADERS, "x-envoy-max-retries"}


def test_what_is_not_routed_is_answered_in_openais_form() -> None:
    last = spec("HTTPRoute", "openai")["rules"][-1]
    reference = last["filters"][0]["extensionRef"]
    answer = spec(reference["kind"], reference["name"])["directResponse"]
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"]["inline"])["error"].keys() == {"message", "type", "param", "code"}


def test_the_gateway_is_asked_with_whole_bodies_and_may_say_what_it_decided() -> None:
    (external,) = spec("EnvoyExtensionPolicy")["extProc"]
    (backend,) = external["backendRefs"]
    ports = {port["name"]: port["port"] for port in named(overlay("cpu"), "Service", backend["name"])["spec"]["ports"]}
    assert backend["port"] == ports["ext-proc"]
    assert external["processingMode"] == {"request": {"body": "Buffered"}}
    assert external["metadata"]["writableNamespaces"] == [mutations.METADATA, mutations.CANDIDATES_METADATA]
    assert external["failOpen"] is False
    timeout_ms = int(external["messageTimeout"].removesuffix("s")) * 1000
    assert timeout_ms == Options().decision_timeout_ms >= 5 * Settings().deadlines.deadline_ms


def test_limits_and_retries_are_those_of_our_own_envoy() -> None:
    ours = Options()
    assert spec("ClientTrafficPolicy")["connection"]["bufferLimit"] == buffer_bytes(ours)
    assert ours.max_body_bytes == Settings().openai.max_body_bytes
    retry = spec("BackendTrafficPolicy")["retry"]
    assert tuple(retry["retryOn"]["httpStatusCodes"]) == TRANSIENT
    assert retry["perRetry"]["timeout"] == f"{ours.first_byte_timeout_seconds}s"
    silent_seconds = (1 + retry["numRetries"]) * ours.first_byte_timeout_seconds
    idle = spec("ClientTrafficPolicy")["timeout"]["http"]["streamIdleTimeout"]
    assert idle == f"{silent_seconds + ours.idle_timeout_seconds}s"


def test_policies_target_what_is_there() -> None:
    for policy in of_kind(overlay(OBJECTS), "EnvoyExtensionPolicy", "ClientTrafficPolicy", "BackendTrafficPolicy"):
        for target in policy["spec"]["targetRefs"]:
            named(overlay(OBJECTS), target["kind"], target["name"])
    (parent,) = spec("HTTPRoute", "openai")["parentRefs"]
    gateway = spec("Gateway", parent["name"])
    named(overlay(OBJECTS), "GatewayClass", gateway["gatewayClassName"])
    assert all(listener["protocol"] == "HTTPS" for listener in gateway["listeners"])


def test_only_envoys_of_our_gateway_are_let_in() -> None:
    (policy,) = of_kind(overlay(OBJECTS), "NetworkPolicy")
    ((peer,),) = [rule["from"] for rule in policy["spec"]["ingress"]]
    owner = peer["podSelector"]["matchLabels"]["gateway.envoyproxy.io/owning-gateway-name"]
    named(overlay(OBJECTS), "Gateway", owner)


def test_grpc_calls_go_to_the_port_that_only_envoys_reach() -> None:
    (rule,) = spec("GRPCRoute", "grpc")["rules"]
    assert {match["method"]["service"] for match in rule["matches"]} == set(SERVICES)
    (policy,) = spec("EnvoyExtensionPolicy")["extProc"]
    assert rule["backendRefs"] == policy["backendRefs"]
    assert spec("BackendTrafficPolicy", "grpc")["circuitBreaker"]["maxParallelRequests"] == MAX_CALLS
